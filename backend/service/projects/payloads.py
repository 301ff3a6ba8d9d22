"""Annotations and tasks as they come in, checked at the door: what is stored can be read again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from backend.errors import BackendError

MAX_ID = 2**63 - 1  # what the databases' big integers hold
EPOCH = datetime.fromtimestamp(0, UTC)
CLOCKS_DIFFER = timedelta(days=1)  # a stamp further in the future is no clock that goes wrong by a little

RowId = Annotated[int, Field(strict=True, ge=0, le=MAX_ID)]


def is_row_id(value: object) -> TypeGuard[int]:
    """Whether this is the number of a task or an annotation."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID


class ResultItem(BaseModel):
    """One item of an annotation's result; what else it holds is kept as it is."""

    model_config = ConfigDict(extra="allow", strict=True)

    from_name: str | None = None
    to_name: str | None = None
    type: str | None = None
    value: dict[str, Any] | None = None


class AnnotationState(BaseModel):
    """What is stored of an annotation.

    Attributes:
        updated_at: the epoch where Label Studio sent no stamp, or one of a time that is yet to come, so that any state
            with a true stamp is newer.
        created_at: when it was first submitted.
        parent_prediction: the suggestion that it started from, as the browser says.
        prediction: what the task's current prediction was then; webhooks carry it, listings don't.
    """

    model_config = ConfigDict(extra="ignore")

    id: RowId
    result: list[ResultItem] = Field(default_factory=list)
    was_cancelled: bool = False
    ground_truth: bool = False
    completed_by: RowId | None = None
    updated_at: datetime = EPOCH
    created_at: datetime | None = None
    parent_prediction: RowId | None = None
    prediction: dict[str, Any] = Field(default_factory=dict)

    @field_validator("parent_prediction", "prediction", mode="before")
    @classmethod
    def _of_the_suggestion(cls, value: object, info: Any) -> object:
        """An annotation is worth more than the record of what it started from: what cannot be read of that is left out."""
        if info.field_name == "prediction":
            return value if isinstance(value, dict) else {}
        return value if is_row_id(value) else None

    @field_validator("result", "was_cancelled", "ground_truth", mode="before")
    @classmethod
    def _null_is_nothing(cls, value: object, info: Any) -> object:
        return ([] if info.field_name == "result" else False) if value is None else value

    @field_validator("completed_by", mode="before")
    @classmethod
    def _number_of_user(cls, value: object) -> object:
        """Label Studio sends a number or an object with an `id`; who it was matters little."""
        found = value.get("id") if isinstance(value, Mapping) else value
        return found if isinstance(found, int) and 0 <= found < 2**31 else None

    @field_validator("updated_at", mode="before")
    @classmethod
    def _moment(cls, value: object) -> object:
        return parse_time(value)

    @field_validator("created_at", mode="before")
    @classmethod
    def _moment_or_none(cls, value: object) -> object:
        found = parse_time(value)
        return None if found == EPOCH else found


def read_annotation(annotation: Mapping[str, Any]) -> AnnotationState:
    """An annotation as Label Studio sends it.

    Raises:
        BackendError: `bad_annotation`; the message names the annotation and the part that is wrong.
    """
    if not isinstance(annotation, Mapping):
        raise BackendError(f"An annotation is {type(annotation).__name__}, not an object.", reason="bad_annotation")
    if "id" not in annotation:
        raise BackendError("The event holds no annotation with an id.", reason="bad_annotation")
    stamp = annotation.get("updated_at") or annotation.get("created_at")
    try:
        return AnnotationState.model_validate({**annotation, "updated_at": stamp})
    except ValidationError as error:
        raise BackendError(
            f"Annotation {str(annotation.get('id'))[:40]} cannot be read: {first_fault(error)}.",
            reason="bad_annotation",
        ) from None


class TaskState(BaseModel):
    """What is stored of a task."""

    model_config = ConfigDict(extra="ignore")

    id: RowId
    data: dict[str, Any] | None = None


def read_task(task: Mapping[str, Any]) -> TaskState:
    """A task as Label Studio sends it.

    Raises:
        BackendError: `bad_task`; the message names the task and the part that is wrong.
    """
    try:
        return TaskState.model_validate(task)
    except ValidationError as error:
        number = str(task.get("id"))[:40] if isinstance(task, Mapping) else "?"
        raise BackendError(f"Task {number} cannot be read: {first_fault(error)}.", reason="bad_task") from None


def stored_result(result: object) -> str | None:
    """What is wrong with a result as it is stored; None where it can be read."""
    try:
        AnnotationState(id=0, result=result)  # type: ignore[arg-type]
    except ValidationError as error:
        return first_fault(error)
    return None


def first_fault(error: ValidationError) -> str:
    """The first fault of a validation: where it is, and what is wrong."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    message = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {message[:1].lower()}{message[1:]}" if place else message


def parse_time(value: object) -> datetime:
    """Label Studio's ISO time; the epoch where it sent none, or one of a time that is yet to come.

    Raises:
        ValueError: it is no time.
    """
    if value is None or value == "":
        return EPOCH
    if not isinstance(value, str):
        raise ValueError("must be an ISO time")
    moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return EPOCH if moment > datetime.now(UTC) + CLOCKS_DIFFER else moment
