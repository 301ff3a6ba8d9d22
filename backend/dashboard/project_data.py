"""What the pages show of a project, as plain data; the JSON routes give the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from backend.jobs.kinds import JobStatus
from backend.service.context.context import Runtime
from backend.service.projects.labels import labels_of
from backend.service.projects.queue_overrides import queue_overrides
from backend.service.projects.suggestions import count_suggestions
from backend.service.projects.tasks import count_tasks
from backend.service.queue.queue_window import current_window
from backend.service.versions.registry import describe_version, list_versions
from backend.storage.schema import Annotation, Job, Project, Task, now


def project_overview(runtime: Runtime, project: Project) -> dict[str, Any]:
    """Where a project stands: photos, labels, what is under way, versions, faults of the last day."""
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    of_project = (Annotation.project_id == project.id, Annotation.deleted.is_(False))
    with runtime.database.session() as session:
        counts = count_tasks(session, project.id)
        labelled = session.scalar(
            select(func.count(func.distinct(Annotation.task_id))).where(
                *of_project, Annotation.was_cancelled.is_(False)
            )
        )
        labelled_today = session.scalar(
            select(func.count())
            .select_from(Annotation)
            .where(*of_project, Annotation.was_cancelled.is_(False), Annotation.updated_at >= today)
        )
        suggested = count_suggestions(session, project.id, today)
        accepted = sum(count.accepted for count in suggested)
        answered = accepted + sum(count.corrected for count in suggested)
        ended = list(
            session.scalars(
                select(Job)
                .where(
                    Job.project_id == project.id,
                    Job.status.in_((JobStatus.FAILED, JobStatus.CANCELLED)),
                    Job.finished_at >= now() - timedelta(days=1),
                )
                .order_by(Job.finished_at.desc())
                .limit(10)
            )
        )
        newest = dict(
            session.execute(
                select(Job.kind, func.max(Job.created_at)).where(Job.project_id == project.id).group_by(Job.kind)
            ).all()
        )
        unread = list(
            session.scalars(
                select(Task)
                .where(Task.project_id == project.id, Task.failure.is_not(None))
                .order_by(Task.task_id)
                .limit(10)
            )
        )
    versions = [describe_version(version) for version in list_versions(runtime, project.id)]
    serving = next((version for version in versions if version["status"] == "serving"), None)
    return {
        "id": project.id,
        "title": project.title or f"Project {project.id}",
        "connected": project.missing_since is None and project.synced_at is not None,
        "connection": _connection(runtime, project),
        "tasks": counts,
        "labelled": labelled or 0,
        "labelled_today": labelled_today or 0,
        "jobs": unfinished_jobs(runtime, project.id),
        "faults": [_ended(job) for job in ended if job.status == JobStatus.FAILED],
        "cancelled": [
            _ended(job)
            for job in ended
            if job.status == JobStatus.CANCELLED and job.created_at == newest[job.kind]  # else it was started again
        ],
        "unread": [{"task": task.task_id, "message": task.failure_detail or task.failure} for task in unread],
        "serving": serving["version"] if serving else None,
        "accuracy": serving["accuracy"] if serving else None,
        "accepted_today": accepted,
        "answered_today": answered,
        "pinned": project.pinned,
        "versions": versions,
        "label_studio": f"{runtime.settings.label_studio_url}/projects/{project.id}/data"
        if runtime.settings.label_studio_url
        else None,
    }


def unfinished_jobs(runtime: Runtime, project_id: int) -> list[dict[str, Any]]:
    """Jobs that run or wait, oldest first; `percent` in [0, 100]."""
    query = (
        select(Job)
        .where(Job.project_id == project_id, Job.status.in_((JobStatus.RUNNING, JobStatus.QUEUED)))
        .order_by(Job.created_at)
    )
    with runtime.database.session() as session:
        return [
            {
                "id": job.id,
                "kind": job.kind,
                "status": job.status,
                "percent": round(100 * job.progress),
                "message": "stops at its next report" if job.cancel_requested else job.message,
                "cancelling": job.cancel_requested,
            }
            for job in session.scalars(query)
        ]


def _ended(job: Job) -> dict[str, Any]:
    return {"id": job.id, "kind": job.kind, "message": job.message, "at": job.finished_at}


def _connection(runtime: Runtime, project: Project) -> str:
    if not runtime.settings.pushes:
        return (
            "Label Studio asks, nothing is pushed: set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY for the ordered queue."
        )
    if project.another_made_at is not None:
        return (
            f"Not connected: Label Studio has another project {project.id}, made on {project.another_made_at:%Y-%m-%d}. "
            "Nothing is read from it or written to it."
        )
    if project.missing_since is not None:
        return (
            f"Label Studio no longer has this project, since {project.missing_since:%Y-%m-%d %H:%M} UTC. Should it be back, it "
            f"goes on by itself; to remove it here: python -m backend forget --project {project.id}"
        )
    if project.synced_at is None:
        return "Not read from Label Studio yet."
    return f"Read from Label Studio at {project.synced_at:%H:%M:%S} UTC."


def queue_rows(runtime: Runtime, project: Project) -> list[dict[str, Any]]:
    """The window in its order: suggestion, probability, reason and components of each photo."""
    controls = [space.control for space in labels_of(runtime, project).spaces]
    wanted = queue_overrides(runtime, project.id)
    rows = []
    for item in current_window(runtime, project):
        part = item.result[0] if item.result else {}
        rows.append(
            {
                "position": item.position + 1,
                "task": item.task_id,
                "suggestion": ", ".join(
                    controls[0].labels[index].title for index in controls[0].read(item.result) or ()
                ),
                "others": item.suggestion.partition(", else ")[2],
                "probability": part.get("score"),
                "reason": item.reason,
                "evaluation": item.evaluation,
                "wish": wanted.get(item.task_id, ""),
                "components": {name: value for name, value in item.components.items() if name != "evaluation"},
            }
        )
    return rows


def shown_labels(runtime: Runtime, project: Project) -> list[str]:
    """Titles of the labels of the first control."""
    return [label.title for label in labels_of(runtime, project).spaces[0].control.labels]
