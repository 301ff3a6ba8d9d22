"""What the calls take."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from backend.service.projects.payloads import RowId, TaskState

MAX_ROWS = 1000
MAX_DAYS = 3660
_NUMBERED = r"^[0-9]{1,10}(\..*)?$"


class ProjectObject(BaseModel):
    """A project as webhooks carry it: its number, and whatever else Label Studio tells of it."""

    model_config = ConfigDict(extra="allow", strict=True)

    id: RowId
    label_config: str | None = None
    title: str | None = None


ProjectName = Annotated[
    RowId | Annotated[str, Field(pattern=_NUMBERED)] | ProjectObject,
    Field(description="The project's number, `<id>.<created>` as Label Studio writes it, or an object with `id`."),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class SetupBody(_Body):
    """Sent by Label Studio when a model is connected, and before each prediction."""

    project: ProjectName | None = None
    label_config: str | None = Field(None, alias="schema", description="The label config (XML).")
    extra_params: str | dict[str, Any] | None = Field(None, description="Options of the project: JSON text or object.")


class PredictBody(_Body):
    """Tasks to predict."""

    tasks: list[TaskState]
    project: ProjectName | None = None
    label_config: str | None = Field(None, description="The label config (XML).")


class WebhookBody(BaseModel):
    """An event; what it holds depends on its action."""

    model_config = ConfigDict(extra="allow", strict=True)

    action: Annotated[str, Field(min_length=1, max_length=100)]
    project: ProjectName | None = None


class StartTrainingBody(_Body):
    """The old name of START_TRAINING."""

    project: ProjectName | None = None


class OverrideBody(BaseModel):
    """Photos that a person wants before all others, or after them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tasks: list[Annotated[int, Field(ge=0, lt=10**18)]] = Field(min_length=1, max_length=MAX_ROWS)
    wish: Literal["first", "last", "none"] = Field(description="none: no wish any more.")


class TrainingOptions(BaseModel):
    """A training with its options, or a fine-tuning; empty: a training as the project's options say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    hint: ClassVar[str] = 'The body is {"adaptation": {…}}, {"fine_tune": {"epochs": N}} or empty.'

    adaptation: dict[str, Any] = Field(default_factory=dict, description="Hyper-parameters of the projection.")
    fine_tune: dict[str, Any] | None = Field(None, description="Hyper-parameters of a fine-tuning: `epochs`, …")


class JobQuery(BaseModel):
    """Which job."""

    job: str | None = Field(None, max_length=100)
    job_id: str | None = Field(None, max_length=100)

    @property
    def wanted(self) -> str | None:
        """The id that is given under either name."""
        return self.job or self.job_id


class JobBody(_Body, JobQuery):
    """Which job."""


class LimitQuery(BaseModel):
    """How many rows."""

    limit: int = Field(100, ge=1, le=MAX_ROWS)

    @model_validator(mode="before")
    @classmethod
    def _within(cls, values: Any) -> Any:
        """More rows than there may be are as many as there may be."""
        given = values.get("limit", "") if isinstance(values, dict) else ""
        if isinstance(given, str) and given.isascii() and given.isdecimal() and len(given) < 20:
            return {**values, "limit": min(int(given), MAX_ROWS)}
        return values


class DaysQuery(BaseModel):
    """How many days, today (UTC) the last."""

    days: int = Field(30, ge=1, le=MAX_DAYS)


class CompareQuery(BaseModel):
    """With which other version."""

    compare: str | None = Field(None, max_length=100)
