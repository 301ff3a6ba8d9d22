"""Tasks and annotations back from Label Studio by polling, so that a lost webhook loses nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
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
        yield _page(client, project_id, tasks)


def pull_tasks(
    client: LabelStudioClient, project_id: int, task_ids: Collection[int], *, page_size: int = 500
) -> Iterator[PulledPage]:
    """Read some tasks of a project, as `pull_pages`; those that do not exist are left out."""
    for tasks in _batches(client.tasks_by_id(project_id, task_ids), page_size):
        yield _page(client, project_id, tasks)


def _page(client: LabelStudioClient, project_id: int, tasks: Sequence[dict[str, Any]]) -> PulledPage:
    annotated = [task["id"] for task in tasks if task["total_annotations"] or task["cancelled_annotations"]]
    annotations = tuple(
        annotation
        for task in client.tasks_by_id(project_id, annotated, fields="all")
        for annotation in task["annotations"]
    )
    return PulledPage(tuple(tasks), annotations, _newest(tasks))


def has_all_tasks(client: LabelStudioClient, project_id: int, count: int, newest: int) -> bool:
    """Whether Label Studio still has every task that is known, by their number: one cheap call.

    Args:
        count: tasks known after a pull (one that was never pulled would hide a deleted one from the count); count them
            before this call: tasks created meanwhile have a higher id.
        newest: the highest id among them.
    """
    if not count:
        return True
    return client.count_tasks(project_id, (TaskFilter("id", "less_or_equal", "Number", newest),)) == count


@dataclass(frozen=True)
class TaskDifference:
    """What is known of a project's tasks, and what there is.

    Attributes:
        gone: known tasks that Label Studio no longer has.
        unread: tasks that it has, below the highest id that is known, and that no pull gave: an import that took minutes
            commits its tasks with the time stamps of its beginning.
    """

    gone: frozenset[int]
    unread: frozenset[int]


def task_difference(client: LabelStudioClient, project_id: int, known: frozenset[int]) -> TaskDifference:
    """Compare the known tasks with those of Label Studio: a light pass over the project, for where `has_all_tasks` says no.

    Args:
        known: all ids after a pull.
    """
    newest = max(known, default=0)
    present = {task["id"] for task in client.iter_tasks(project_id, page_size=5000, fields="ids")}
    return TaskDifference(frozenset(known - present), frozenset(task for task in present - known if task < newest))


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


def _batches(tasks: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    left = iter(tasks)
    while batch := list(islice(left, size)):
        yield batch
