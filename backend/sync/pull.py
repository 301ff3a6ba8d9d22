"""Tasks and annotations back from Label Studio by polling, so that a lost webhook loses nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.sync.client import LabelStudioClient
from backend.sync.task_calls import TaskFilter

# A change gets its time stamp before it is committed: look back this far so that a slow commit is not missed.
OVERLAP = timedelta(seconds=30)
CLOCKS_DIFFER = timedelta(days=1)  # by no more than this


@dataclass(frozen=True)
class PulledPage:
    """Some tasks of a project, and *all* annotations that these tasks have now.

    Attributes:
        tasks: as Label Studio gives them: `id`, `data`, `created_at`, `updated_at`, counts.
        annotations: full annotations with `task` (the id), skips (`was_cancelled`) included. An annotation known
            earlier for one of these tasks and not listed here was deleted.
        newest: the latest `updated_at` of the page.
    """

    tasks: tuple[dict[str, Any], ...]
    annotations: tuple[dict[str, Any], ...]
    newest: datetime

    @property
    def task_ids(self) -> frozenset[int]:
        """Ids of the page's tasks."""
        return frozenset(task["id"] for task in self.tasks)


def pull_pages(
    client: LabelStudioClient,
    project_id: int,
    *,
    since: datetime | None = None,
    overlap: timedelta = OVERLAP,
    page_size: int = 500,
) -> Iterator[PulledPage]:
    """Read a project's tasks by rising id, each page with all annotations of its tasks.

    Args:
        since: None reads everything (a full pass). Else only tasks that were created, annotated, skipped or edited,
            or lost an annotation, after this moment of Label Studio's clock; pass `newest` of the last pull.
            Deleted tasks never show here: see `tasks_gone`.
        overlap: how far before `since` to look. Zero is safe once an `OVERLAP` has passed since `newest` was read and a
            pull after that found nothing newer.
        page_size: tasks in a page.

    Raises:
        LabelStudioError: a call failed; pages given before stay valid, and the pull can be repeated.
    """
    filters: tuple[TaskFilter, ...] = ()
    if since is not None and since <= _latest_believable():
        filters = (TaskFilter("updated_at", "greater", "Datetime", _stamp(since - overlap)),)
    for tasks in client.iter_task_pages(project_id, page_size=page_size, filters=filters):
        annotated = [task["id"] for task in tasks if task["total_annotations"] or task["cancelled_annotations"]]
        annotations = tuple(
            annotation
            for task in client.tasks_by_id(project_id, annotated, fields="all")
            for annotation in task["annotations"]
        )
        yield PulledPage(tuple(tasks), annotations, _newest(tasks))


def has_all_tasks(client: LabelStudioClient, project_id: int, count: int, newest: int) -> bool:
    """Whether Label Studio still has every task that is known, by their number: one cheap call.

    Args:
        count: tasks known after a pull (one that was never pulled would hide a deleted one from the count); count them
            before this call: tasks created meanwhile do no harm.
        newest: the highest id among them.
    """
    if not count:
        return True
    return client.count_tasks(project_id, (TaskFilter("id", "less_or_equal", "Number", newest),)) == count


def tasks_gone(client: LabelStudioClient, project_id: int, known: frozenset[int]) -> frozenset[int]:
    """Those of the known tasks that Label Studio no longer has; a light pass over the project where any are missing.

    Args:
        known: all ids after a pull, as for `has_all_tasks`.
    """
    if has_all_tasks(client, project_id, len(known), max(known, default=0)):
        return frozenset()
    present = {task["id"] for task in client.iter_tasks(project_id, page_size=5000, fields="ids")}
    return frozenset(known - present)


def _newest(tasks: Sequence[Mapping[str, Any]]) -> datetime:
    """The latest stamp of the page. One of the far future would have all later pulls find nothing: it does not count."""
    believable = _latest_believable()
    stamps = [_moment(task["updated_at"]) for task in tasks]
    return max((stamp for stamp in stamps if stamp <= believable), default=datetime.fromtimestamp(0, UTC))


def _latest_believable() -> datetime:
    return datetime.now(UTC) + CLOCKS_DIFFER


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00"))
