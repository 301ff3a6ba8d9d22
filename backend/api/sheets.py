"""The endpoints of sheets: take one, answer it, take it back; and the small pictures on it."""

from __future__ import annotations

from typing import Annotated, cast

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from backend.api.describe import Answer, described
from backend.dashboard.person import person, refuse_other_sites
from backend.dashboard.thumbnails import thumbnail
from backend.dashboard.visitor import visitor
from backend.errors import NotFoundError
from backend.service.context.context import Runtime
from backend.service.sheets.kinds import Kind
from backend.service.sheets.sheets import Outcome, answer_sheet, next_sheet, undo_sheet

TaskNumber = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]


class SheetBody(BaseModel):
    """Which sheet."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Kind = Field(
        "confirm",
        description="confirm: sure and alike; auto: the same, where that beats single photos; clean: annotations that "
        "look wrong; strangers: what seems not to belong; same: copies; chosen: `tasks`.",
    )
    size: int = Field(24, ge=1, le=60, description="Most photos on it.")
    tasks: list[Annotated[int, Field(ge=0, lt=10**18)]] = Field(
        default_factory=list, max_length=1000, description="The photos, for `chosen`."
    )
    label: str = Field("", max_length=1000, description="What `chosen` photos are asked about; empty: as believed.")


class AnswersBody(BaseModel):
    """The answers of a sheet; a photo without one goes back to the queue."""

    model_config = ConfigDict(extra="forbid", strict=True)

    answers: dict[TaskNumber, Annotated[str, Field(max_length=1000)]] = Field(description="task -> label.")


class SheetTask(BaseModel):
    """A photo of a sheet."""

    task: int
    confidence: float


class SheetAnswer(BaseModel):
    """A sheet that is yours for ten minutes; one without photos where there is none now."""

    sheet: str = Field(description="Empty: there is none now.")
    kind: str
    label: str
    given: str = Field(description="The label that its photos have already; empty: none.")
    expected_right: float
    tasks: list[SheetTask]
    message: str = Field(description="Why there is none, and what to do instead; else empty.")


class LeftOut(BaseModel):
    """A photo whose answer was not saved, or not taken back."""

    task: int
    message: str


class OutcomeAnswer(BaseModel):
    """What became of each photo."""

    saved: list[int]
    left_out: list[LeftOut]


def sheets_blueprint(runtime: Runtime) -> Blueprint:
    """The endpoints below /projects/<id>/sheets."""
    blueprint = Blueprint("sheets", __name__, url_prefix="/projects/<int:project_id>")

    @blueprint.post("/sheets")
    @described("Take the best sheet now; what you held before goes back.", body=SheetBody, answers={200: SheetAnswer})
    def take(project_id: int, body: SheetBody) -> Answer:
        refuse_other_sites(request)
        try:
            sheet = next_sheet(
                runtime, project_id, person(request), body.kind, body.size, tasks=body.tasks, label=body.label
            )
        except NotFoundError as nothing:
            if nothing.reason != "no_sheet":
                raise
            # That all is done is no error: a browser would write one to its console.
            empty = {"sheet": "", "kind": body.kind, "label": "", "given": ""}
            return jsonify({**empty, "expected_right": 0.0, "tasks": [], "message": str(nothing)})
        return jsonify(
            {
                "sheet": sheet.id,
                "kind": sheet.kind,
                "label": sheet.label,
                "given": sheet.given,
                "expected_right": round(sheet.expected_right, 4),
                "tasks": [{"task": task, "confidence": round(confidence, 4)} for task, confidence in sheet.tasks],
                "message": "",
            }
        )

    @blueprint.post("/sheets/<sheet_id>/answers")
    @described(
        "Answer a sheet: its photos are annotated in Label Studio.", body=AnswersBody, answers={200: OutcomeAnswer}
    )
    def answer(project_id: int, sheet_id: str, body: AnswersBody) -> Answer:
        refuse_other_sites(request)
        answers = {int(task): label for task, label in body.answers.items()}
        by = visitor().name if visitor().signed_in else ""
        return _outcome(answer_sheet(runtime, project_id, sheet_id, person(request), answers, by=by))

    @blueprint.post("/sheets/undo")
    @described("Take back your last answered sheet; may be repeated.", answers={200: OutcomeAnswer})
    def undo(project_id: int) -> Answer:
        refuse_other_sites(request)
        return _outcome(undo_sheet(runtime, project_id, person(request)))

    @blueprint.get("/tasks/<int:task_id>/thumbnail.jpg")
    @described("A small square picture of a task's photo (JPEG).", answers={200: None})
    def picture(project_id: int, task_id: int) -> Answer:
        data, digest = thumbnail(runtime, project_id, task_id)
        response = Response(data, content_type="image/jpeg")
        response.set_etag(digest)
        response.cache_control.private = True
        response.cache_control.max_age = 3600
        return cast(Response, response.make_conditional(request))

    return blueprint


def _outcome(outcome: Outcome) -> Response:
    return jsonify(
        {
            "saved": list(outcome.saved),
            "left_out": [{"task": task, "message": message} for task, message in sorted(outcome.left_out.items())],
        }
    )
