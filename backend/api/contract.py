"""The HTTP contract of Label Studio's ML backends. Label Studio waits 1 to 3 s for most of these: nothing here computes."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, cast

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from sqlalchemy.exc import SQLAlchemyError

from backend import metrics
from backend.api.answers import (
    AcceptedAnswer,
    HealthAnswer,
    JobAnswer,
    PredictAnswer,
    SetupAnswer,
    VersionsAnswer,
)
from backend.api.describe import Answer, described
from backend.api.errors import error_response, without_paths
from backend.api.requests import (
    JobBody,
    JobQuery,
    PredictBody,
    ProjectObject,
    SetupBody,
    StartTrainingBody,
    WebhookBody,
)
from backend.dashboard.visitor import visitor
from backend.errors import BackendError, NotFoundError
from backend.jobs.kinds import JobKind
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.ingest.intake import EventIntake
from backend.service.ingest.spool import EventSpool
from backend.service.ingest.webhooks import ACTIONS
from backend.service.projects.identity import made_at_of
from backend.service.projects.project import project_id_of, set_up_from_payload, set_up_project
from backend.service.queue.predict import FIRST_VERSION, Predictor
from backend.service.versions.registry import version_names
from backend.settings import Settings
from backend.storage.schema import Job

log = logging.getLogger(__name__)

MODEL_CLASS = "LabelOrder"


def contract_blueprint(runtime: Runtime, jobs: JobQueue, spool: EventSpool) -> Blueprint:
    """The endpoints that Label Studio calls."""
    blueprint = Blueprint("contract", __name__)
    predictor = Predictor(runtime)
    intake = EventIntake(runtime)

    @blueprint.get("/")
    @described("For people the pages, for programs the same as /health.", answers={200: HealthAnswer})
    def root() -> Answer:
        wanted = request.accept_mimetypes.best_match(("application/json", "text/html"), default="application/json")
        return cast(Response, redirect(url_for("dashboard.projects"))) if wanted == "text/html" else health()

    @blueprint.get("/health")
    @described("Whether the backend is up, and which backbone it uses.", answers={200: HealthAnswer})
    def health() -> Answer:
        return jsonify(
            {
                "status": "UP",
                "model_class": MODEL_CLASS,
                "backbone": runtime.backbone_id or "loading",
                "pushes_to_label_studio": runtime.settings.pushes,
            }
        )

    @blueprint.post("/setup")
    @described(
        "Takes the label config and the options of a project.",
        body=SetupBody,
        answers={200: SetupAnswer},
        carries_tasks=True,
    )
    def setup(body: SetupBody) -> Answer:
        project = set_up_project(
            runtime,
            named_project(body.project),
            label_config=body.label_config,
            extra_params=body.extra_params,
            made_at=made_at_of(told_project(body.project)),
        )
        return jsonify({"model_version": project.published_version or FIRST_VERSION})

    @blueprint.post("/predict")
    @described("Predicts tasks.", body=PredictBody, answers={200: PredictAnswer}, carries_tasks=True)
    def predict(body: PredictBody) -> Answer:
        project_id = named_project(body.project)
        tasks = [{"id": task.id, "data": task.data} for task in body.tasks]
        made_at = made_at_of(told_project(body.project))
        set_up = partial(set_up_project, runtime, project_id, label_config=body.label_config, made_at=made_at)
        budget = runtime.settings.predict_budget_seconds
        return jsonify({"results": predictor.predict(project_id, tasks, budget, set_up=set_up)})

    @blueprint.post("/webhook")
    @described(
        "Stores what an event of Label Studio says.",
        body=WebhookBody,
        answers={201: AcceptedAnswer, 202: AcceptedAnswer},
        carries_tasks=True,
    )
    def webhook(body: WebhookBody) -> Answer:
        metrics.EVENTS.labels(body.action if body.action in ACTIONS else "unknown").inc()
        event = body.model_dump(exclude_unset=True)
        try:
            outcome = intake.take(body.action, event)
        except SQLAlchemyError as error:
            log.error("%s goes to a file, the database failed: %s", body.action, str(error).splitlines()[0])
            return _keep_for_later(spool, body.action, event)
        answer: dict[str, Any] = {"status": "accepted", "jobs": outcome.jobs}
        if outcome.rejected:
            answer["rejected"] = outcome.rejected
        if JobKind.TRAIN in outcome.jobs:
            answer["job"] = outcome.jobs[JobKind.TRAIN]
        return jsonify(answer), 201

    @blueprint.post("/train")
    @described("Trains a head now.", body=StartTrainingBody, answers={201: AcceptedAnswer}, carries_tasks=True)
    def train(body: StartTrainingBody) -> Answer:
        project = set_up_from_payload(runtime, told_project(body.project))
        return jsonify({"status": "accepted", "job": runtime.jobs.enqueue(JobKind.TRAIN, project.id)}), 201

    @blueprint.get("/versions")
    @described("All model versions, the published ones first.", answers={200: VersionsAnswer})
    def versions() -> Answer:
        # Label Studio sends no project here: the versions of all, the published windows first.
        names = version_names(runtime)
        return jsonify({"versions": names, "message": f"{len(names)} model versions"})

    @blueprint.route("/job_status", methods=["GET", "POST"])
    @described("How far a background job is.", query=JobQuery, body=JobBody, answers={200: JobAnswer})
    def job_status(query: JobQuery, body: JobBody) -> Answer:
        job_id = query.wanted or body.wanted
        if not job_id:
            raise BackendError("/job_status needs `job`, the id of a job.", reason="bad_request")
        found = jobs.ledger.get(job_id)
        if not visitor().sees([found.project_id]):
            raise NotFoundError(f"There is no job {job_id!r}; GET /projects/<id>/jobs lists them.")
        return jsonify(describe_job(runtime.settings, found))

    return blueprint


def describe_job(settings: Settings, job: Job) -> dict[str, Any]:
    """A job for people and programs."""
    return {
        "job": job.id,
        "project": job.project_id,
        "kind": job.kind,
        "job_status": job.status,
        "progress": round(job.progress, 3),
        "percent": round(100 * job.progress),
        "message": without_paths(settings, job.message),
        "result": job.result,
        "attempts": job.attempts,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }


def _keep_for_later(spool: EventSpool, action: str, event: dict[str, Any]) -> Answer:
    """Label Studio sends each event once: one that nobody takes is gone."""
    try:
        spool.put(action, event)
    except OSError as error:
        message = f"Neither the database nor the disk takes the event ({error.strerror}); the next poll brings it."
        return error_response("storage_unavailable", message, 503)
    metrics.EVENTS_SPOOLED.inc()
    return jsonify({"status": "kept until the database takes it"}), 202


def named_project(name: ProjectObject | int | str | None) -> int:
    """The number of a project, however it is written."""
    return project_id_of(name.id if isinstance(name, ProjectObject) else name)


def told_project(name: ProjectObject | int | str | None) -> dict[str, Any] | int | str | None:
    """A project with all that a call tells of it, as plain data."""
    return name.model_dump() if isinstance(name, ProjectObject) else name
