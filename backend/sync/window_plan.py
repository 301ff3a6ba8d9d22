"""What has to change in Label Studio so that it serves a window in its order: worked out before anything is sent."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.sync.placing import LAST, place_scores
from backend.sync.version_names import SupersededName

JsonDict = dict[str, Any]

BEHIND = 0.9  # after every place of the window


@dataclass(frozen=True)
class WindowItem:
    """One place of the queue: a task with its suggestion. `result` may be empty (a place without a suggestion)."""

    task_id: int
    result: list[JsonDict]


@dataclass(frozen=True)
class StoredTask:
    """A task as Label Studio has it: whether somebody annotated it, and all its predictions."""

    task_id: int
    annotated: bool
    predictions: tuple[JsonDict, ...]

    def of_version(self, version: str) -> list[JsonDict]:
        """Its predictions of one model version, the first in the queue first."""
        found = [item for item in self.predictions if item["model_version"] == version]
        return sorted(found, key=lambda item: (item["score"] is None, item["score"], item["id"]))

    def superseded(self, version: str) -> list[JsonDict]:
        """Its predictions of one model version that left the queue."""
        names = ((item, SupersededName.parse(item["model_version"])) for item in self.predictions)
        return [item for item, name in names if name is not None and name.model == version]


@dataclass(frozen=True)
class Step:
    """What one task needs: a new prediction, changes of existing ones (id and fields), or both, in this order.

    Attributes:
        urgency: the better of the task's place and of the one that its present score has among those of the window. Once
            all steps below u are done, the first u places are right.
    """

    urgency: int
    task_id: int
    created: JsonDict | None = None
    changes: tuple[tuple[int, JsonDict], ...] = ()


@dataclass(frozen=True)
class Plan:
    """The steps to a window, most urgent first.

    Attributes:
        scores: the score of each task of the window, strictly increasing in its order.
        missing: tasks that Label Studio no longer has.
    """

    steps: tuple[Step, ...]
    scores: Mapping[int, float]
    missing: tuple[int, ...] = field(default=())


def plan_window(
    version: str,
    items: Sequence[WindowItem],
    stored: Mapping[int, StoredTask],
    superseded_as: SupersededName,
    held: Collection[int] = (),
) -> Plan:
    """The steps from what is stored to `items` in their order.

    A prediction never changes its labels, since somebody may be looking at it: another suggestion is another
    prediction, and the earlier one is renamed to `superseded_as`, which takes it out of the queue and keeps it valid.
    Those of tasks that left the window go behind it first, and get that name next time: a photo that is being handed out
    right now is shown with its suggestion. One that comes back gets the same prediction again. What annotated tasks have
    is left alone: it says what was suggested.

    Args:
        stored: the tasks of the window before and of this one, as Label Studio has them.
        held: tasks that somebody may hold open: behind the window they keep their suggestion, for whoever reloads the page.
    """
    missing = tuple(item.task_id for item in items if item.task_id not in stored)
    wanted = [item for item in items if item.task_id in stored and not stored[item.task_id].annotated]
    present = {task.task_id: task.of_version(version) for task in stored.values() if not task.annotated}
    current = [present[item.task_id][0]["score"] if present[item.task_id] else None for item in wanted]
    scores = dict(zip((item.task_id for item in wanted), place_scores(current), strict=True))
    before = _places_before(present, list(scores.values()))
    steps = [
        step
        for place, item in enumerate(wanted)
        if (step := _place(version, item, place, before, stored[item.task_id], scores[item.task_id], superseded_as))
    ]
    for task_id, predictions in present.items():
        if predictions and task_id not in scores:
            left = _left(predictions, None if task_id in held else superseded_as)
            if left:
                steps.append(Step(before[task_id], task_id, changes=left))
    return Plan(tuple(sorted(steps, key=lambda step: step.urgency)), scores, missing)


def same_answer(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> bool:
    """Whether two results say the same: equal values for the same controls; probabilities don't matter."""
    return _answers(first) == _answers(second)


def _answers(result: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    return sorted(((str(part.get("from_name")), part.get("value")) for part in result), key=lambda part: part[0])


def _left(predictions: Sequence[JsonDict], superseded_as: SupersededName | None) -> tuple[tuple[int, JsonDict], ...]:
    """What becomes of the predictions of a task that left the window; None: they go behind it, and stay there."""
    changes: list[tuple[int, JsonDict]] = []
    for row in predictions:
        score = row["score"]
        if score is not None and score < LAST:
            changes.append((row["id"], {"score": BEHIND}))
        elif superseded_as is not None:
            changes.append((row["id"], {"model_version": str(superseded_as)}))
    return tuple(changes)


def _places_before(present: Mapping[int, Sequence[JsonDict]], placed: Sequence[float]) -> dict[int, int]:
    """The place that the present score of each task has among the scores of the new window, from 0.

    Its place in the queue that there is would not do: photos that keep their scores close up where others leave, and what
    stood behind those stands between them.
    """
    queued = ((task, rows[0]["score"]) for task, rows in present.items() if rows)
    return {task: len(placed) if score is None else bisect_left(placed, score) for task, score in queued}


def _place(
    version: str,
    item: WindowItem,
    place: int,
    before: Mapping[int, int],
    task: StoredTask,
    score: float,
    superseded_as: SupersededName,
) -> Step | None:
    """What puts one task in its place; None where it stands there already."""
    standing = next((row for row in task.of_version(version) if same_answer(row["result"], item.result)), None)
    usable = standing or next(
        (row for row in task.superseded(version) if same_answer(row["result"], item.result)), None
    )
    changes: list[tuple[int, JsonDict]] = []
    created = None
    if usable is None:
        created = {"task": item.task_id, "result": item.result, "score": score, "model_version": version}
    elif usable is not standing or usable["score"] != score:
        changes.append((usable["id"], {"model_version": version, "score": score, "result": item.result}))
    left = [row["id"] for row in task.of_version(version) if row is not usable]
    changes += [(prediction_id, {"model_version": str(superseded_as)}) for prediction_id in left]
    if created is None and not changes:
        return None
    return Step(min(place, before.get(item.task_id, place)), item.task_id, created, tuple(changes))
