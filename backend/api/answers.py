"""What the calls answer, as it is published in the OpenAPI file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorBody(_Answer):
    """What went wrong."""

    code: str
    message: str


class ErrorAnswer(_Answer):
    """Every error; `detail` repeats the message for Label Studio's pages."""

    error: ErrorBody
    detail: str


class HealthAnswer(_Answer):
    """The backend is up."""

    status: str
    model_class: str
    backbone: str
    pushes_to_label_studio: bool


class Check(_Answer):
    """One thing that the backend needs."""

    ok: bool
    message: str


class ReadyAnswer(_Answer):
    """Whether the backend can do all of its work, and if not, why."""

    ready: bool
    checks: dict[str, Check]


class SetupAnswer(_Answer):
    """The version that the project's predictions have now."""

    model_version: str


class PredictAnswer(_Answer):
    """A prediction for each task, in order; `[]` for a task whose photo cannot be read."""

    results: list[dict[str, Any] | list[Any]]


class AcceptedAnswer(_Answer):
    """An event or a training was taken in."""

    status: str
    job: str | None = None
    jobs: dict[str, str] | None = None
    rejected: list[str] | None = None


class VersionsAnswer(_Answer):
    """All model versions, the published ones first."""

    versions: list[str]
    message: str


class JobAnswer(_Answer):
    """A background job."""

    job: str
    project: int
    kind: str
    job_status: str
    progress: float
    percent: int
    message: str
    result: dict[str, Any] | None
    attempts: int
    created_at: str
    started_at: str | None
    finished_at: str | None


class JobsAnswer(_Answer):
    """Background jobs, newest first."""

    jobs: list[JobAnswer]


class TaskCounts(_Answer):
    """Tasks by what is known of their photo."""

    total: int
    embedded: int
    failed: int
    pending: int


class ProjectAnswer(_Answer):
    """A project."""

    id: int
    title: str
    published_version: str
    window: str
    serving: str | None
    pinned: bool
    tasks: TaskCounts
    extra_params: dict[str, Any]
    synced_at: str | None


class ProjectsAnswer(_Answer):
    """The projects that are set up."""

    projects: list[ProjectAnswer]


class Place(_Answer):
    """One place of the queue window."""

    position: int
    task: int
    score: float
    priority: float
    components: dict[str, float]
    reason: str
    suggestion: str
    evaluation: bool
    result: list[dict[str, Any]]


class QueueAnswer(_Answer):
    """The published queue window, in order."""

    project: int
    version: str
    window: str
    queue: list[Place]


class SuggestionsOfDay(_Answer):
    """What became of one version's suggestions on one day (UTC); `share` of them accepted, in [0, 1]."""

    day: str | None
    version: str
    accepted: int
    corrected: int
    share: float


class SuggestionsAnswer(_Answer):
    """Suggestions that annotators accepted as they were, or corrected, the newest day first."""

    project: int
    days: int
    suggestions: list[SuggestionsOfDay]


class Failure(_Answer):
    """A task whose photo cannot be read."""

    task: int
    image: str
    reason: str
    message: str | None


class FailuresAnswer(_Answer):
    """Tasks whose photo cannot be read."""

    failures: list[Failure]


class ModelAnswer(BaseModel):
    """A model version with its evaluation."""

    model_config = ConfigDict(extra="allow")

    version: str
    parent: str | None
    kind: str
    status: str
    evaluation: dict[str, Any]
    comparison: list[dict[str, Any]] | None = None


class ModelsAnswer(_Answer):
    """The model versions of a project."""

    models: list[ModelAnswer]
    serving: str | None
    pinned: bool


class ServingAnswer(_Answer):
    """The version that serves from now on, and the job that publishes it."""

    serving: str
    job: str


class UnpinnedAnswer(_Answer):
    """Training may choose the serving version again."""

    pinned: bool
