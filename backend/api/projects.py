"""What people and programs ask of a project: its queue with reasons, jobs, failures and model versions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Blueprint, jsonify, request
from sqlalchemy import select

from backend.api.answers import (
    AcceptedAnswer,
    FailuresAnswer,
    JobAnswer,
    JobsAnswer,
    ModelAnswer,
    ModelsAnswer,
    ProjectAnswer,
    ProjectsAnswer,
    QueueAnswer,
    ServingAnswer,
    SuggestionsAnswer,
    UnpinnedAnswer,
)
from backend.api.contract import describe_job
from backend.api.describe import Answer, described
from backend.api.requests import CompareQuery, DaysQuery, LimitQuery, OverrideBody, TrainingOptions
from backend.dashboard.person import refuse_other_sites
from backend.dashboard.visitor import visitor
from backend.jobs.cancellation import cancel
from backend.jobs.kinds import JobStatus
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project, list_projects
from backend.service.projects.queue_overrides import override_queue
from backend.service.projects.suggestions import count_suggestions
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
from backend.storage.schema import Project, Task, now


def projects_blueprint(runtime: Runtime, jobs: JobQueue) -> Blueprint:
    """The endpoints below /projects."""
    blueprint = Blueprint("projects", __name__, url_prefix="/projects")

    @blueprint.get("")
    @described("The projects that are set up.", answers={200: ProjectsAnswer})
    def projects() -> Answer:
        with runtime.database.session() as session:
            counts = count_all_tasks(session)
        found = list_projects(runtime)
        everything = visitor().may_do_everything
        shown = visitor().sees([project.id for project in found if everything or project.another_made_at is None])
        return jsonify({"projects": [_describe(item, counts[item.id]) for item in found if item.id in shown]})

    @blueprint.get("/<int:project_id>")
    @described("One project.", answers={200: ProjectAnswer})
    def project(project_id: int) -> Answer:
        found = find_project(runtime, project_id)
        with runtime.database.session() as session:
            counts = count_tasks(session, project_id)
        return jsonify(_describe(found, counts))

    @blueprint.get("/<int:project_id>/queue")
    @described("The published queue window, in order.", query=LimitQuery, answers={200: QueueAnswer})
    def queue(project_id: int, query: LimitQuery) -> Answer:
        found = find_project(runtime, project_id)
        items = current_window(runtime, found)
        return jsonify(
            {
                "project": project_id,
                "version": found.published_version,
                "window": found.snapshot,
                "queue": [
                    {
                        "position": item.position,
                        "task": item.task_id,
                        "score": item.score,
                        "priority": item.priority,
                        "components": item.components,
                        "reason": item.reason,
                        "suggestion": item.suggestion,
                        "evaluation": item.evaluation,
                        "result": item.result,
                    }
                    for item in items[: query.limit]
                ],
            }
        )

    @blueprint.post("/<int:project_id>/queue/wishes")
    @described("Pushes photos to the top of the queue, or away.", body=OverrideBody, answers={202: AcceptedAnswer})
    def wishes(project_id: int, body: OverrideBody) -> Answer:
        refuse_other_sites(request)
        find_project(runtime, project_id)
        return jsonify({"status": "accepted", "job": override_queue(runtime, project_id, body.tasks, body.wish)}), 202

    @blueprint.get("/<int:project_id>/suggestions")
    @described(
        "Suggestions accepted and corrected, by day and version.", query=DaysQuery, answers={200: SuggestionsAnswer}
    )
    def suggestions(project_id: int, query: DaysQuery) -> Answer:
        find_project(runtime, project_id)
        since = now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=query.days - 1)
        with runtime.database.session() as session:
            counts = count_suggestions(session, project_id, since)
        rows = [
            {
                "day": count.day.isoformat() if count.day else None,
                "version": count.version,
                "accepted": count.accepted,
                "corrected": count.corrected,
                "share": round(count.share, 4),
            }
            for count in counts
        ]
        return jsonify({"project": project_id, "days": query.days, "suggestions": rows})

    @blueprint.get("/<int:project_id>/jobs")
    @described("Background jobs, newest first.", query=LimitQuery, answers={200: JobsAnswer})
    def project_jobs(project_id: int, query: LimitQuery) -> Answer:
        find_project(runtime, project_id)
        return jsonify(
            {"jobs": [describe_job(runtime.settings, job) for job in jobs.ledger.of_project(project_id, query.limit)]}
        )

    @blueprint.post("/<int:project_id>/jobs/<job>/cancel")
    @described("Cancels a job that waits or runs.", answers={200: JobAnswer, 202: JobAnswer})
    def cancel_job(project_id: int, job: str) -> Answer:
        refuse_other_sites(request)
        find_project(runtime, project_id)
        found = cancel(jobs.ledger, project_id, job)
        return jsonify(describe_job(runtime.settings, found)), 202 if found.status == JobStatus.RUNNING else 200

    @blueprint.post("/<int:project_id>/jobs/<job>/again")
    @described("Asks again for what a cancelled or failed job was to do.", answers={202: AcceptedAnswer})
    def start_again(project_id: int, job: str) -> Answer:
        refuse_other_sites(request)
        find_project(runtime, project_id)
        return jsonify({"status": "accepted", "job": jobs.retry(project_id, job)}), 202

    @blueprint.get("/<int:project_id>/failures")
    @described("Tasks whose photo cannot be read.", query=LimitQuery, answers={200: FailuresAnswer})
    def failures(project_id: int, query: LimitQuery) -> Answer:
        find_project(runtime, project_id)
        failed = select(Task).where(Task.project_id == project_id, Task.failure.is_not(None)).order_by(Task.task_id)
        with runtime.database.session() as session:
            tasks = list(session.scalars(failed.limit(query.limit)))
        rows = [
            {"task": task.task_id, "image": task.image, "reason": task.failure, "message": task.failure_detail}
            for task in tasks
        ]
        return jsonify({"failures": rows})

    @blueprint.post("/<int:project_id>/train")
    @described("A training now, or a fine-tuning.", body=TrainingOptions, answers={202: AcceptedAnswer})
    def train(project_id: int, body: TrainingOptions) -> Answer:
        refuse_other_sites(request)
        job = request_training(runtime, project_id, body.adaptation, body.fine_tune)
        return jsonify({"status": "accepted", "job": job}), 202

    @blueprint.get("/<int:project_id>/models")
    @described("Model versions with their evaluation.", answers={200: ModelsAnswer})
    def models(project_id: int) -> Answer:
        found = find_project(runtime, project_id)
        versions = [describe_version(item) for item in list_versions(runtime, project_id)]
        return jsonify({"models": versions, "serving": found.serving_version or None, "pinned": found.pinned})

    @blueprint.get("/<int:project_id>/models/<version>")
    @described("One model version.", query=CompareQuery, answers={200: ModelAnswer})
    def model(project_id: int, version: str, query: CompareQuery) -> Answer:
        other = query.compare
        chosen = find_version(runtime, project_id, version)
        answer = describe_version(chosen)
        if other:
            answer["comparison"] = compare(chosen, find_version(runtime, project_id, other))
        return jsonify(answer)

    @blueprint.post("/<int:project_id>/models/<version>/promote")
    @described("Lets that version serve.", answers={202: ServingAnswer})
    def promote_model(project_id: int, version: str) -> Answer:
        refuse_other_sites(request)
        return jsonify({"serving": version, "job": promote(runtime, project_id, version)}), 202

    @blueprint.post("/<int:project_id>/models/rollback")
    @described("Goes back to the parent of the serving version.", answers={202: ServingAnswer})
    def rollback_model(project_id: int) -> Answer:
        refuse_other_sites(request)
        version, job = rollback(runtime, project_id)
        return jsonify({"serving": version, "job": job}), 202

    @blueprint.post("/<int:project_id>/models/unpin")
    @described("Lets training choose the serving version again.", answers={200: UnpinnedAnswer})
    def unpin_model(project_id: int) -> Answer:
        refuse_other_sites(request)
        unpin(runtime, project_id)
        return jsonify({"pinned": False})

    return blueprint


def _describe(project: Project, counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "id": project.id,
        "title": project.title,
        "published_version": project.published_version,
        "window": project.snapshot,
        "serving": project.serving_version or None,
        "pinned": project.pinned,
        "tasks": dict(counts),
        "extra_params": project.extra_params,
        "synced_at": project.synced_at.isoformat() if project.synced_at else None,
    }
