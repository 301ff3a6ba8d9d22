"""The sync job: what Label Studio lists is the truth that lost webhooks are made up from."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from backend.errors import AnotherProjectError, LabelStudioError, WeightsError
from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.ingest.embedding import MAX_READS, PASSING_REASONS
from backend.service.ingest.recount import read_by_number, settle_counts
from backend.service.ingest.taking_in import take_in
from backend.service.pool.snapshot import backbone_of_snapshot
from backend.service.projects.identity import made_at_of, mark_missing
from backend.service.projects.project import Stamp, find_project, list_projects, set_up_project
from backend.service.projects.tasks import count_tasks, fewest_attempts
from backend.service.versions.artifacts import snapshots_folder
from backend.storage.schema import Annotation, Job, Project, QueueItem, Task, now
from backend.sync.client import LabelStudioClient
from backend.sync.pull import OVERLAP, pull_pages

log = logging.getLogger(__name__)

# The next poll tries again by itself: such a fault is logged, and leaves no failed job behind each time.
PASSING_FAULTS = ("label_studio_unreachable", "label_studio_timeout", "label_studio_failed")
# What changes while a pull reads on is found by the next one, which looks back by `OVERLAP`; unless the pull takes long.
LONG_PULL = OVERLAP / 2
CLOCKS_DIFFER = timedelta(minutes=1)  # ours and Label Studio's; what was imported in that time is read again
# A photo whose server was away is read again so long after the last reading, the next time six times as long after it.
FIRST_PAUSE = timedelta(minutes=10)
PAUSE_GROWTH = 6


def poll_projects(runtime: Runtime, *, missing: bool = False) -> None:
    """Ask for a sync of every project; nothing where the backend has no access to Label Studio.

    Args:
        missing: also of those that Label Studio did not have when it was asked last: its address may have been wrong then.
    """
    if runtime.label_studio is None:
        return
    for project in list_projects(runtime):
        if missing or project.missing_since is None:
            runtime.jobs.enqueue(JobKind.SYNC, project.id, {"poll": True})


def sync_project(
    runtime: Runtime, project_id: int, progress: Callable[[float, str], None], *, poll: bool = False
) -> dict[str, Any]:
    """Take in the tasks and annotations that Label Studio has now. Returns counts and a `message`.

    Args:
        poll: only the clock asked; a poll that finds nothing new leaves no trace among the jobs.
    """
    client = runtime.label_studio
    if client is None:
        if runtime.jobs.cancelled_at(JobKind.EMBED, project_id) is None:
            runtime.jobs.enqueue(JobKind.EMBED, project_id)
        catch_up(runtime, project_id)
        return {"message": "no access to Label Studio: LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY are not set"}
    try:
        return _sync_with(client, runtime, project_id, progress, poll=poll)
    except AnotherProjectError as error:
        return {"transient": poll, "message": str(error)}
    except LabelStudioError as error:
        if error.reason == "label_studio_not_found":
            return _left_alone(runtime, project_id, error, poll=poll)
        if poll and error.reason in PASSING_FAULTS:
            log.warning("project %s is not polled now: %s", project_id, error)
            return {"transient": True, "message": str(error)}
        raise


def _sync_with(
    client: LabelStudioClient, runtime: Runtime, project_id: int, progress: Callable[[float, str], None], *, poll: bool
) -> dict[str, Any]:
    listed, project = _listed(client, runtime, project_id)
    config = runtime.labels.parse(project.label_config)
    tasks = annotations = seen = 0
    moved = project.synced_from not in ("", client.url)  # maybe to a copy that went its own way
    since = newest = project.synced_at if project.synced_from == client.url else None
    begun = asked_at = now()
    # A quiet project is asked for news alone: its last change may have been one of many thousands.
    overlap = OVERLAP if project.synced_news_at or project.synced_at is None else timedelta(0)
    for page in pull_pages(client, project_id, since=since, overlap=overlap):
        changed_tasks, changed_annotations = take_in(runtime, project_id, config, page, asked_at, whatever_stamp=moved)
        asked_at = now()  # the next page is read from here on
        tasks, annotations = tasks + changed_tasks, annotations + changed_annotations
        seen += len(page.tasks)
        newest = page.newest if newest is None else max(newest, page.newest)
        progress(min(seen / max(listed.get("task_number") or seen, seen), 1.0), f"{seen} tasks read")
    if newest is not None and now() - begun > LONG_PULL:
        # A task of the first page may have changed while the last one was read, which is newer than that change.
        newest = min(newest, begun - CLOCKS_DIFFER)
    found = read_by_number(client, runtime, project_id, config)
    found += settle_counts(client, runtime, project_id, config, listed)
    tasks, annotations, gone = tasks + found.tasks, annotations + found.annotations, found.gone
    cancelled = runtime.jobs.cancelled_at(JobKind.EMBED, project_id)
    with runtime.database.session() as session:
        news_at = _news_at(project, newest, begun)
        query = update(Project).where(Project.id == project_id)
        session.execute(query.values(synced_at=newest, synced_news_at=news_at, synced_from=client.url))
        waiting = session.scalar(_pending(project_id, cancelled)) is not None
        again = cancelled is None and _to_be_read_again(session, project_id)
    if waiting or again:
        runtime.jobs.enqueue(JobKind.EMBED, project_id)
    chosen = listed.get("model_version")
    if moved or (project.published_version != chosen and lost_its_window(client, runtime, project_id)):
        # Somebody chose another version in Label Studio, or the last publication was cut off: the queue would be random.
        runtime.jobs.enqueue(JobKind.REFRESH, project_id, {"republish": True})
    elif gone:
        runtime.jobs.enqueue(JobKind.REFRESH, project_id)
    else:
        catch_up(runtime, project_id)
    message = f"{tasks} new or changed tasks, {annotations} changed annotations, {gone} deleted tasks"
    result = {"tasks": tasks, "annotations": annotations, "deleted_tasks": gone, "message": message}
    return result | {"transient": poll and not (tasks or annotations or gone)}


def lost_its_window(client: LabelStudioClient, runtime: Runtime, project_id: int) -> bool:
    """Whether Label Studio serves another version than the published one; not while a refresh is about to publish.

    Where every photo is answered there is nothing to serve, and the project moves to no other version.
    """
    project = find_project(runtime, project_id)
    published = project.published_version
    if not published or not _has_places(runtime, project):
        return False
    if client.project(project_id).get("model_version") == published:
        return False
    if runtime.jobs.pending(JobKind.REFRESH, project_id):
        return False
    return find_project(runtime, project_id).published_version == published  # else one was published meanwhile


def _has_places(runtime: Runtime, project: Project) -> bool:
    query = select(QueueItem.task_id).where(QueueItem.project_id == project.id, QueueItem.version == project.snapshot)
    with runtime.database.session() as session:
        return session.scalar(query.limit(1)) is not None


def _news_at(project: Project, newest: datetime | None, begun: datetime) -> datetime | None:
    """What `synced_news_at` becomes after a pull that began then; None once no change of that time can still come."""
    if newest != project.synced_at:
        return now()
    if project.synced_news_at is None or begun - project.synced_news_at >= OVERLAP:
        return None
    return project.synced_news_at


def _listed(client: LabelStudioClient, runtime: Runtime, project_id: int) -> tuple[dict[str, Any], Project]:
    """What Label Studio says of a project, and the project with it.

    Raises:
        AnotherProjectError: it is not the one that is known here; it is left alone.
    """
    stamp = Stamp(find_project(runtime, project_id).described_at, listed=True)
    listed = client.project(project_id)
    made_at = made_at_of(listed)
    try:
        project = set_up_project(
            runtime,
            project_id,
            label_config=listed["label_config"],
            title=listed["title"],
            made_at=made_at,
            stamp=stamp,
        )
    except AnotherProjectError:
        mark_missing(runtime, project_id, made_at)
        raise
    return listed, project


def _left_alone(runtime: Runtime, project_id: int, error: LabelStudioError, *, poll: bool) -> dict[str, Any]:
    """A project that Label Studio does not have; a poll that finds it missing again leaves no trace among the jobs."""
    known = find_project(runtime, project_id).missing_since is not None
    mark_missing(runtime, project_id)
    message = f"{error} The project is left alone until Label Studio calls about it again."
    return {"transient": poll and known, "message": message}


def catch_up(runtime: Runtime, project_id: int) -> None:
    """Ask for a refresh if something is stored that no order has seen, or that did not reach Label Studio.

    A job that should have asked may have died.
    """
    with runtime.database.session() as session:
        project = session.get_one(Project, project_id)
        newest = session.scalar(select(func.max(Annotation.received_at)).where(Annotation.project_id == project_id))
        embedded = count_tasks(session, project_id)["embedded"]
    ordered_at = project.ordered_at  # in the future: the clock was set back since, and nothing is known
    unseen = newest is not None and (ordered_at is None or newest >= ordered_at or ordered_at > now())
    unsettled = bool(project.published_version) and not project.window_settled
    if unseen or unsettled or embedded != project.ordered_tasks or _sees_otherwise(runtime, project):
        # Annotators go on: only the places that come next were made right, the others are now.
        runtime.jobs.enqueue(JobKind.REFRESH, project_id, {"republish": True} if unsettled else None)


def _sees_otherwise(runtime: Runtime, project: Project) -> bool:
    """Whether the project sees its photos through another backbone than at its last order: BACKBONE was changed."""
    folder = snapshots_folder(runtime, project.id) / project.snapshot
    made_with = backbone_of_snapshot(folder) if project.snapshot else None
    if made_with is None:
        return False
    try:
        return made_with != (project.backbone or runtime.backbone.id)
    except WeightsError as error:
        log.error("project %s is ordered as before: %s", project.id, error)
        return False


def _pending(project_id: int, cancelled: datetime | None) -> Any:
    """A task to be read; where a person cancelled the reading, one that came after that."""
    unread = select(Task.task_id).where(Task.project_id == project_id, Task.digest.is_(None), Task.failure.is_(None))
    return (unread if cancelled is None else unread.where(Task.created_at > cancelled)).limit(1)


def _to_be_read_again(session: Session, project_id: int) -> bool:
    """Whether a photo could not be read for a passing reason, and its pause is over: nobody else would ask for it."""
    attempts = fewest_attempts(session, project_id, PASSING_REASONS, MAX_READS)
    if attempts is None:
        return False
    query = select(func.max(Job.finished_at)).where(Job.project_id == project_id, Job.kind == JobKind.EMBED)
    last = session.scalar(query)
    return last is None or abs(now() - last) >= FIRST_PAUSE * PAUSE_GROWTH ** max(attempts - 1, 0)
