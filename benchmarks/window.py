"""How many predictions a new order changes in Label Studio, against publishing the whole window anew.

    python -m benchmarks.window                                       # 2,000 photos of 20 classes, made here
    python -m benchmarks.window --embeddings photos.npz               # `embeddings` [n, d], `labels` [n], `classes` [L]

One label at a time is given to the first place of the default order; the steps are those that the product would take.
A change is a call of its own; new predictions go in one import, ten of them in about the time of one change.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.pool_model import PoolModel
from backend.priority import OrderOptions, order_pool
from backend.simulation.engine import Setting, answer_vectors, pool_view, prior_of
from backend.simulation.photos import Photos
from backend.sync.version_names import SupersededName
from backend.sync.window_plan import Plan, StoredTask, WindowItem, plan_window
from benchmarks.photos import from_npz
from benchmarks.retraining import synthetic

NEXT_PLACES = 10
BANDS = ((0, 10), (10, 30), (30, 60), (60, 100), (100, 150))


class StoredPredictions:
    """The predictions of one version, as Label Studio would hold them."""

    def __init__(self, superseded: SupersededName) -> None:
        self.superseded = superseded
        self._rows: dict[int, list[dict[str, Any]]] = {}
        self._next = 0

    def publish(self, items: list[WindowItem], annotated: set[int]) -> Plan:
        """Take the steps to this window; returns them."""
        tasks = {*self._rows, *(item.task_id for item in items)}
        stored = {task: StoredTask(task, task in annotated, tuple(self._rows.get(task, ()))) for task in tasks}
        plan = plan_window("model", items, stored, self.superseded)
        for step in plan.steps:
            rows = self._rows.setdefault(step.task_id, [])
            if step.created is not None:
                rows.append({"id": self._next, **step.created})
                self._next += 1
            for prediction, fields in step.changes:
                next(row for row in rows if row["id"] == prediction).update(fields)
        return plan


def play(photos: Photos, classes: tuple[str, ...], window: int, labels: int) -> NDArray[np.int64]:
    """For each label: changes, those of them among the next places, and new predictions."""
    setting = Setting(photos, photos, classes)
    answers = answer_vectors(setting)
    model = PoolModel(photos.embeddings, prior_of(photos, setting.n_labels), seed=0)
    labelled = np.zeros(len(photos), dtype=bool)
    asked: list[int] = []
    predictions = StoredPredictions(SupersededName("model", datetime(2026, 1, 1, tzinfo=UTC)))
    counts = []
    for _ in range(labels):
        rows = np.array(asked, dtype=np.intp)
        probabilities = model.propagate(rows, answers[rows])
        view = pool_view(setting, model, probabilities, labelled, answers, 0)
        order = order_pool(view, OrderOptions(window=window, evaluation_share=0.0)).rows[:window]
        likeliest = probabilities.argmax(axis=1)
        items = [
            WindowItem(int(row), [{"from_name": "c", "value": {"choices": [int(likeliest[row])]}}]) for row in order
        ]
        plan = predictions.publish(items, set(asked))
        changes = [(step.urgency, len(step.changes)) for step in plan.steps]
        near = sum(number for urgency, number in changes if urgency < NEXT_PLACES)
        counts.append(
            (sum(number for _, number in changes), near, sum(step.created is not None for step in plan.steps))
        )
        asked.append(int(order[0]))
        labelled[order[0]] = True
    return np.array(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, help="npz of embedded photos, instead of made-up ones")
    parser.add_argument("--window", type=int, default=50)
    parser.add_argument("--labels", type=int, default=150)
    arguments = parser.parse_args()
    if arguments.embeddings is None:
        embeddings, labels = synthetic(20, 2000, 512, 0)
        digests = tuple(f"{number:064x}" for number in np.random.default_rng(0).permutation(len(labels)))
        photos, classes = Photos(embeddings, labels.astype(np.intp), digests), tuple(map(str, range(20)))
    else:
        photos, classes = from_npz(arguments.embeddings)
    counts = play(photos, classes, arguments.window, arguments.labels)[1:]  # the first window is all new
    print(f"{len(photos)} photos, {len(classes)} classes, a window of {arguments.window}, for each annotation:")
    print("  labels   changes   of these among the next ten   new predictions   changes of a whole window")
    for start, stop in BANDS:
        if len(part := counts[start:stop]):
            changes, near, created = part.mean(axis=0)
            share = changes / arguments.window
            print(f"  {start:3}-{stop:<3} {changes:9.1f} {near:26.1f} {created:21.1f} {share:22.2f}")


if __name__ == "__main__":
    main()
