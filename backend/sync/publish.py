"""Publishing the queue window: predictions of one model version, changed in place under annotators who look at them.

An annotation carries the id of the suggestion that it started from, and Label Studio refuses it once that prediction is
gone. So nothing is deleted here; see docs/queue.md.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.errors import LabelStudioError
from backend.sync.client import LabelStudioClient
from backend.sync.storing import one_by_one, store_predictions
from backend.sync.task_calls import ID_CHUNK
from backend.sync.version_names import SupersededName
from backend.sync.window_plan import Plan, Step, StoredTask, WindowItem, plan_window

__all__ = ["Publication", "PublishReport", "WindowItem"]

logger = logging.getLogger(__name__)

# Changed at once, before the new order counts as published: the places that annotators reach before the next order.
URGENT_CHANGES = 20
MOST_LEFT = 100  # tasks without a place that the next publication looks for: where a newer order always waits there are ever more
NAMED = 5  # tasks left out of a publication that a line of the log names


@dataclass(frozen=True)
class PublishReport:
    """What a publication did.

    Attributes:
        version: the version that the project carries now.
        scores: the score of each task of the window, first served first.
        dropped: tasks that could not be published, with the reason.
        moved: whether `project.model_version` was changed by this call.
        right: so many first places Label Studio serves in this order, at least; those behind may have an earlier score.
    """

    version: str
    scores: Mapping[int, float]
    dropped: Mapping[int, str] = field(default_factory=dict)
    moved: bool = False
    right: int = 0

    @property
    def published(self) -> tuple[int, ...]:
        """Tasks of the window, first served first."""
        return tuple(self.scores)

    def __str__(self) -> str:
        """A line for the log: a window may have thousands of places."""
        left_out = "".join(f"; task {task} is left out: {why}" for task, why in list(self.dropped.items())[:NAMED])
        more = f"; {len(self.dropped)} are left out in all" if len(self.dropped) > NAMED else ""
        moved = ", the project moved to them" if self.moved else ""
        return f"{len(self.scores)} places, the first {self.right} right{moved}{left_out}{more}"


class Publication:
    """Brings one window to Label Studio: first the places that come next, then the rest.

    What is stored there is read first, so a publication that died at any step is taken up by the next one, whatever
    window that one brings. Publish one window of a project at a time.

    Args:
        version: the model version that the predictions carry.
        items: the window in its order, each task once. Empty: those that left the window lose their place, no more.
        superseded: the name for suggestions that leave the queue.
        earlier: tasks of the window before, and what the publication before it left (`left`).
        held: tasks that somebody may hold open (`plan_window`).
        next_places: how many places annotators may reach before the next order: `begin` sees to those alone; None: to as many
            as `URGENT_CHANGES` allow.
        tasks: how many the project has, roughly: it decides how new predictions are stored.
        label_config: what the suggestions were made for. Where Label Studio has another one by now, new predictions are
            imported: that way it leaves out what no longer fits.
        sweep: look for further predictions of this version too: slower, needed where `earlier` may not know them all.

    Attributes:
        calls: of Label Studio, so far, roughly.

    Raises:
        ValueError: a task occurs twice, or `version` is empty.
    """

    def __init__(
        self,
        client: LabelStudioClient,
        project_id: int,
        version: str,
        items: Sequence[WindowItem],
        superseded: SupersededName,
        *,
        earlier: Collection[int] = (),
        held: Collection[int] = (),
        sweep: bool = False,
        tasks: int = 0,
        label_config: str = "",
        next_places: int | None = None,
    ) -> None:
        if not version:
            raise ValueError("the version of a window must not be empty")
        if len({item.task_id for item in items}) != len(items):
            raise ValueError(f"the window of {version} holds a task twice")
        self._client = client
        self._project_id = project_id
        self._version = version
        self._items = items
        self._superseded = superseded
        self._earlier = frozenset(earlier)
        self._held = frozenset(held)
        self._sweep = sweep
        self._tasks = tasks
        self._label_config = label_config
        self._next_places = next_places
        self.calls = 0
        self._rest: list[Step] = []
        self._undone: list[Step] = []
        self._complete = True

    @property
    def left(self) -> frozenset[int]:
        """Tasks that have a place in Label Studio, as far as is known, and none in the window: the next `MOST_LEFT` of them."""
        wanted = {item.task_id for item in self._items}
        left = (step.task_id for step in (*self._undone, *self._rest) if step.task_id not in wanted)
        return frozenset(itertools.islice(left, MOST_LEFT))

    def begin(self, keep_on: Callable[[], bool] = lambda: True) -> PublishReport:
        """Add what is missing, move the project to the version, and make the first places right as long as `keep_on` says so.

        Raises:
            LabelStudioError: a call failed, or Label Studio kept none of the items (reason window_refused).
        """
        self.calls += 2 + self._sweep
        plan = self._plan()
        there = self._client.project(self._project_id)
        if there["label_config"] != self._label_config:
            self._tasks = 0
        dropped = dict.fromkeys(plan.missing, "the task no longer exists")
        urgent, self._rest = self._split(plan.steps)
        dropped.update(self._create(urgent))
        scores = {task: score for task, score in plan.scores.items() if task not in dropped}
        for task_id, why in dropped.items():
            logger.warning("project %s: task %s is not in the queue: %s", self._project_id, task_id, why)
        if dropped and not scores:
            raise LabelStudioError(
                f"Project {self._project_id}: Label Studio kept none of the {len(dropped)} predictions of "
                f"{self._version}; first reason: {next(iter(dropped.values()))}",
                reason="window_refused",
            )
        moved = bool(scores) and there["model_version"] != self._version
        if moved:
            self._client.update_project(self._project_id, model_version=self._version)
        self._change(urgent, keep_on)
        right = min((step.urgency for step in (*self._undone, *self._rest)), default=len(scores))
        return PublishReport(self._version, scores, dropped, moved, min(right, len(scores)))

    def settle(self, keep_on: Callable[[], bool]) -> bool:
        """Make the other places right too, as long as `keep_on` says so; whether Label Studio holds the whole window.

        Raises:
            LabelStudioError: a call failed.
        """
        if self._rest and keep_on():
            self._create(self._rest)
            self._change(self._rest, keep_on)
        else:
            self._complete &= not self._rest
        self._rest = []
        return self._complete

    def _plan(self) -> Plan:
        wanted = {item.task_id for item in self._items}
        found: list[dict[str, Any]] = []
        if self._sweep:  # finds all that has a place, also of the window before
            found += self._client.unannotated_tasks_of_version(self._project_id, self._version)
            wanted -= {task["id"] for task in found}
        else:
            wanted |= self._earlier
        self.calls += len(found) // ID_CHUNK + len(wanted) // ID_CHUNK
        found += self._client.tasks_by_id(self._project_id, wanted, fields="predictions")
        stored = {
            task["id"]: StoredTask(task["id"], bool(task["total_annotations"]), tuple(task["predictions"]))
            for task in found
        }
        return plan_window(self._version, self._items, stored, self._superseded, self._held)

    def _split(self, steps: Sequence[Step]) -> tuple[list[Step], list[Step]]:
        """The steps to take at once, and the rest. An import is cheap: what only adds a prediction goes first, all of it."""
        added = sum(step.created is not None for step in steps)
        imported = not one_by_one(added, self._tasks)
        costs = itertools.accumulate(len(step.changes) for step in steps)
        urgent: list[Step] = []
        rest: list[Step] = []
        for step, cost in zip(steps, costs, strict=True):
            reached = self._next_places is None or step.urgency < self._next_places
            at_once = (reached and cost <= URGENT_CHANGES) or (imported and not step.changes)
            (urgent if at_once else rest).append(step)
        return urgent, rest

    def _create(self, steps: Sequence[Step]) -> dict[int, str]:
        """Store the new predictions of some steps; returns the tasks that Label Studio refuses, with reasons."""
        missing = [step.created for step in steps if step.created is not None]
        self.calls += len(missing) if one_by_one(len(missing), self._tasks) else 1
        dropped = store_predictions(self._client, self._project_id, missing, tasks=self._tasks)
        if dropped is not None:
            return dropped
        dropped = {}
        # What is missing was refused without a word: only one by one shows which items those are.
        for prediction in self._not_stored(missing):
            refused = store_predictions(self._client, self._project_id, [prediction], tasks=0)
            dropped.update({prediction["task"]: self._why_refused(prediction)} if refused is None else refused)
        return dropped

    def _not_stored(self, predictions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        tasks = [prediction["task"] for prediction in predictions]
        found = {
            task["id"]: task["predictions"]
            for task in self._client.tasks_by_id(self._project_id, tasks, fields="predictions")
        }
        return [
            prediction
            for prediction in predictions
            if not any(
                row["model_version"] == self._version and row["result"] == prediction["result"]
                for row in found.get(prediction["task"], ())
            )
        ]

    def _change(self, steps: Sequence[Step], keep_on: Callable[[], bool]) -> None:
        for number, step in enumerate(steps):
            if step.changes and not keep_on():
                self._complete = False
                self._undone += steps[number:]
                return
            for prediction_id, fields in step.changes:
                self.calls += 1
                try:  # a Label Studio that looks at suggestions finds their label config by the task
                    self._client.update_prediction(prediction_id, task=step.task_id, **fields)
                except LabelStudioError as error:
                    if error.reason not in ("label_studio_not_found", "label_studio_refused"):
                        raise
                    # Deleted, or the label config is another one, since it was read: the next publication sees what is there.
                    logger.info("project %s: prediction %s stays: %s", self._project_id, prediction_id, error)
                    self._complete &= error.reason == "label_studio_refused"

    def _why_refused(self, prediction: dict[str, Any]) -> str:
        """Label Studio gives no reason; its own validator, run here on the project's label config, does."""
        # Imported here: the SDK is slow to import and this is rare.
        from label_studio_sdk.label_interface.interface import LabelInterface

        interface = LabelInterface(self._client.project(self._project_id)["label_config"])
        errors: list[str] = interface.validate_prediction(  # type: ignore[no-untyped-call]
            prediction, return_errors=True
        )
        return "; ".join(errors) if errors else "Label Studio dropped the prediction without a reason; see its log"
