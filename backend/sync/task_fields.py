"""Two lines for people in the data of each task in the queue: what is suggested, and why the task is due.

The Data Manager shows them as columns, and a tag such as `<Header value="$suggested_label"/>` on the labelling screen.
Label Studio replaces a task's `data` as a whole, so it is read just before it is written; see docs/annotators.md.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from backend.errors import LabelStudioError
from backend.sync.calls import JsonDict
from backend.sync.client import LabelStudioClient
from backend.sync.task_calls import ID_CHUNK

log = logging.getLogger(__name__)

SUGGESTED_LABEL = "suggested_label"
WHY_NOW = "why_now"
FIELDS = (SUGGESTED_LABEL, WHY_NOW)
# A probability that moved less leaves the text as it is: a write takes Label Studio some 80 ms.
MIN_CHANGE = 10
_PERCENT = re.compile(r"\b(\d+) %")


@dataclass(frozen=True)
class TaskTexts:
    """What people are told of a task: the suggestion, and the reason for its place."""

    suggested_label: str
    why_now: str

    def as_fields(self) -> dict[str, str]:
        """The keys and values of the task's data."""
        return {SUGGESTED_LABEL: self.suggested_label, WHY_NOW: self.why_now}


def shown_by(label_config: str) -> bool:
    """Whether a label config shows one of the fields: the team asks for them by that."""
    return any(re.search(rf"\${name}\b", label_config) for name in FIELDS)


def write_texts(
    client: LabelStudioClient,
    project_id: int,
    texts: Mapping[int, TaskTexts],
    *,
    urgent: int = 0,
    keep_on: Callable[[], bool] = lambda: True,
) -> int:
    """Bring the texts of a window to its tasks, in its order; returns the writes.

    Written is only what people would read differently. What is not done when `keep_on` says no, the next window brings.

    Args:
        texts: by task, first served first.
        urgent: how many of the first get their texts whatever `keep_on` says: people come to them before the next window.

    Raises:
        LabelStudioError: a call failed.
    """
    if not keep_on():
        texts = dict(islice(texts.items(), urgent))
    first = set(islice(texts, urgent))
    stored = {task["id"]: task for task in client.tasks_by_id(project_id, texts)}
    written = 0
    for task_id, data in plan_texts(stored, texts, ()):
        if task_id not in first and not keep_on():
            break
        written += _write(client, project_id, task_id, data)
    return written


def take_texts(
    client: LabelStudioClient, project_id: int, tasks: Sequence[int], *, keep_on: Callable[[], bool]
) -> list[int]:
    """Take the texts from tasks that are due no more; returns those that were not seen to when `keep_on` said no.

    Raises:
        LabelStudioError: a call failed.
    """
    for start in range(0, len(tasks), ID_CHUNK):
        if not keep_on():
            return list(tasks[start:])
        part = tasks[start : start + ID_CHUNK]
        stored = {task["id"]: task for task in client.tasks_by_id(project_id, part)}
        for task_id, data in plan_texts(stored, {}, part):
            if not keep_on():
                return list(tasks[tasks.index(task_id) :])
            _write(client, project_id, task_id, data)
    return []


def _write(client: LabelStudioClient, project_id: int, task_id: int, data: JsonDict) -> bool:
    """Whether the task is still there."""
    try:
        client.update_task(task_id, data=data)
    except LabelStudioError as error:
        if error.reason != "label_studio_not_found":
            raise
        log.info("project %s: task %s is gone", project_id, task_id)
        return False
    return True


def plan_texts(
    stored: Mapping[int, JsonDict], texts: Mapping[int, TaskTexts], left: Iterable[int]
) -> Iterator[tuple[int, JsonDict]]:
    """The tasks to write, in the order of the queue, each with its new data; those that left come last.

    Args:
        stored: tasks by id, as Label Studio lists them; those that it no longer has are missing.
        texts, left: as `write_texts` and `take_texts` take them.
    """
    wanted: dict[int, dict[str, str]] = {task: text.as_fields() for task, text in texts.items()}
    wanted.update({task: {} for task in left if task not in texts})
    for task_id, fields in wanted.items():
        task = stored.get(task_id)
        if task is None or (not fields and task["total_annotations"]):
            continue  # an annotated task keeps what its annotator was told
        if _reads_differently(task["data"], fields):
            data = {name: value for name, value in task["data"].items() if name not in FIELDS}
            yield task_id, {**data, **fields}


def _reads_differently(data: Mapping[str, object], wanted: Mapping[str, str]) -> bool:
    return any(not _alike(data.get(name), wanted.get(name)) for name in FIELDS)


def _alike(old: object, new: str | None) -> bool:
    """Whether two texts say the same, give or take a few percent."""
    if not isinstance(old, str) or new is None:
        return old == new
    if _PERCENT.sub("%", old) != _PERCENT.sub("%", new):
        return False
    pairs = zip(_PERCENT.findall(old), _PERCENT.findall(new), strict=True)
    return all(abs(int(before) - int(after)) < MIN_CHANGE for before, after in pairs)
