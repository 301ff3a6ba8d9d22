"""What people and programs ask of a project: its queue with reasons, jobs, failures and model versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import select

from backend.api.contract import describe_job
from backend.errors import BackendError
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project, list_projects
from backend.service.projects.tasks import count_all_tasks, count_tasks
from backend.service.queue.queue_window import current_window
from backend.service.training.request import request_training
from backend.service.versions.registry import (
    compare,
    describe_version,
    find_version,
    list_versions,
    promote,
    rollback,
    unpin,
)
from backend.storage.schema import Project, Task

MAX_ROWS = 1000


def projects_blueprint(runtime: Runtime, jobs: JobQueue) -> Blueprint:
    """The endpoints below /projects."""
    blueprint = Blueprint("projects", __name__, url_prefix="/projects")

    @blueprint.get("")
    def projects() -> Response:
        with runtime.database.session() as session:
            counts = count_all_tasks(session)
        return jsonify({"projects": [_describe(project, counts[project.id]) for project in list_projects(runtime)]})

    @blueprint.get("/<int:project_id>")
    def project(project_id: int) -> Response:
        found = find_project(runtime, project_id)
        with runtime.database.session() as session:
            counts = count_tasks(session, project_id)
        return jsonify(_describe(found, counts))

    @blueprint.get("/<int:project_id>/queue")
    def queue(project_id: int) -> Response:
        found = find_project(runtime, project_id)
        items = current_window(runtime, found)
        return jsonify(
            {
                "project": project_id,
                "version": found.published_version,
                "queue": [
                    {
                        "position": item.position,
                        "task": item.task_id,
                        "score": item.score,
                        "priority": item.priority,
                        "components": item.components,
                        "reason": item.reason,
                        "evaluation": item.evaluation,
                        "result": item.result,
                    }
                    for item in items[: _limit()]
                ],
            }
        )

    @blueprint.get("/<int:project_id>/jobs")
    def project_jobs(project_id: int) -> Response:
        find_project(runtime, project_id)
        return jsonify({"jobs": [describe_job(job) for job in jobs.ledger.of_project(project_id, _limit())]})

    @blueprint.get("/<int:project_id>/failures")
    def failures(project_id: int) -> Response:
        find_project(runtime, project_id)
        query = select(Task).where(Task.project_id == project_id, Task.failure.is_not(None)).order_by(Task.task_id)
        with runtime.database.session() as session:
            tasks = list(session.scalars(query.limit(_limit())))
        rows = [
            {"task": task.task_id, "image": task.image, "reason": task.failure, "message": task.failure_detail}
            for task in tasks
        ]
        return jsonify({"failures": rows})

    @blueprint.post("/<int:project_id>/train")
    def train(project_id: int) -> tuple[Response, int]:
        body = request.get_json(silent=True) or {}
        if (
            not isinstance(body, dict)
            or not body.keys() <= {"adaptation", "fine_tune"}
            or not all(isinstance(value, dict) for value in body.values())
        ):
            raise BackendError(
                'The body is {"adaptation": {…}}, {"fine_tune": {"epochs": N}} or empty.', reason="bad_request"
            )
        job = request_training(runtime, project_id, body.get("adaptation", {}), body.get("fine_tune"))
        return jsonify({"status": "accepted", "job": job}), 202

    @blueprint.get("/<int:project_id>/models")
    def models(project_id: int) -> Response:
        found = find_project(runtime, project_id)
        versions = [describe_version(item) for item in list_versions(runtime, project_id)]
        return jsonify({"models": versions, "serving": found.serving_version or None, "pinned": found.pinned})

    @blueprint.get("/<int:project_id>/models/<version>")
    def model(project_id: int, version: str) -> Response:
        other = request.args.get("compare")
        chosen = find_version(runtime, project_id, version)
        answer = describe_version(chosen)
        if other:
            answer["comparison"] = compare(chosen, find_version(runtime, project_id, other))
        return jsonify(answer)

    @blueprint.post("/<int:project_id>/models/<version>/promote")
    def promote_model(project_id: int, version: str) -> tuple[Response, int]:
        return jsonify({"serving": version, "job": promote(runtime, project_id, version)}), 202

    @blueprint.post("/<int:project_id>/models/rollback")
    def rollback_model(project_id: int) -> tuple[Response, int]:
        version, job = rollback(runtime, project_id)
        return jsonify({"serving": version, "job": job}), 202

    @blueprint.post("/<int:project_id>/models/unpin")
    def unpin_model(project_id: int) -> Response:
        unpin(runtime, project_id)
        return jsonify({"pinned": False})

    return blueprint


def _describe(project: Project, counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "id": project.id,
        "title": project.title,
        "published_version": project.published_version,
        "serving": project.serving_version or None,
        "pinned": project.pinned,
        "tasks": dict(counts),
        "extra_params": project.extra_params,
        "synced_at": project.synced_at.isoformat() if project.synced_at else None,
    }


def _limit() -> int:
    return max(1, min(request.args.get("limit", default=100, type=int), MAX_ROWS))
