"""The HTTP contract of Label Studio's ML backends. Label Studio waits 1 to 3 s for most of these: nothing here computes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from backend import metrics
from backend.errors import BackendError
from backend.jobs.kinds import JobKind
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.project import project_id_of, set_up_from_payload, set_up_project
from backend.service.queue.predict import FIRST_VERSION, Predictor
from backend.service.versions.registry import version_names
from backend.storage.schema import Job

log = logging.getLogger(__name__)

MODEL_CLASS = "LabelOrder"


def contract_blueprint(runtime: Runtime, jobs: JobQueue) -> Blueprint:
    """The endpoints that Label Studio calls."""
    blueprint = Blueprint("contract", __name__)
    predictor = Predictor(runtime)

    @blueprint.get("/")
    @blueprint.get("/health")
    def health() -> Response:
        return jsonify(
            {
                "status": "UP",
                "model_class": MODEL_CLASS,
                "backbone": runtime.backbone_id or "loading",
                "pushes_to_label_studio": runtime.settings.pushes,
            }
        )

    @blueprint.post("/setup")
    def setup() -> Response:
        body = _body()
        project = set_up_project(
            runtime,
            project_id_of(body.get("project")),
            label_config=body.get("schema"),
            extra_params=body.get("extra_params"),
        )
        return jsonify({"model_version": project.published_version or FIRST_VERSION})

    @blueprint.post("/predict")
    def predict() -> Response:
        body = _body()
        tasks = body.get("tasks")
        if not isinstance(tasks, list):
            raise BackendError("/predict needs `tasks`, a list of tasks with `id` and `data`.", reason="bad_request")
        project_id = project_id_of(body.get("project"))
        set_up_project(runtime, project_id, label_config=body.get("label_config"))
        answers = predictor.predict(project_id, tasks, runtime.settings.predict_budget_seconds)
        return jsonify({"results": answers})

    @blueprint.post("/webhook")
    def webhook() -> tuple[Response, int]:
        body = _body()
        action = str(body.get("action", ""))
        metrics.EVENTS.labels(action if action.isidentifier() else "unknown").inc()
        outcome = handle_event(runtime, action, body)
        answer: dict[str, Any] = {"status": "accepted", "jobs": outcome.jobs}
        if outcome.rejected:
            answer["rejected"] = outcome.rejected
        if JobKind.TRAIN in outcome.jobs:
            answer["job"] = outcome.jobs[JobKind.TRAIN]
        return jsonify(answer), 201

    @blueprint.post("/train")
    def train() -> tuple[Response, int]:
        project = set_up_from_payload(runtime, _body().get("project"))
        return jsonify({"status": "accepted", "job": runtime.jobs.enqueue(JobKind.TRAIN, project.id)}), 201

    @blueprint.get("/versions")
    def versions() -> Response:
        # Label Studio sends no project here: the versions of all, the published windows first.
        names = version_names(runtime)
        return jsonify({"versions": names, "message": f"{len(names)} model versions"})

    @blueprint.route("/job_status", methods=["GET", "POST"])
    def job_status() -> Response:
        job_id = request.args.get("job") or request.args.get("job_id") or _body().get("job") or _body().get("job_id")
        if not job_id:
            raise BackendError("/job_status needs `job`, the id of a job.", reason="bad_request")
        return jsonify(describe_job(jobs.ledger.get(str(job_id))))

    return blueprint


def describe_job(job: Job) -> dict[str, Any]:
    """A job for people and programs."""
    return {
        "job": job.id,
        "project": job.project_id,
        "kind": job.kind,
        "job_status": job.status,
        "progress": round(job.progress, 3),
        "percent": round(100 * job.progress),
        "message": job.message,
        "result": job.result,
        "attempts": job.attempts,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }


def _body() -> Mapping[str, Any]:
    body = request.get_json(silent=True)
    if body is None and request.form:
        body = request.form.to_dict()
    if body is None and not request.data:
        return {}
    if not isinstance(body, Mapping):
        raise BackendError("The body must be a JSON object.", reason="bad_request")
    return body
