"""The count of changed predictions: after each label the stored ones are in the order that was wanted."""

from __future__ import annotations

import numpy as np
import pytest

from backend.simulation.photos import Photos
from backend.sync.version_names import SupersededName
from backend.sync.window_plan import WindowItem
from benchmarks.retraining import synthetic
from benchmarks.window import StoredPredictions, play

pytestmark = pytest.mark.unit


def test_fewer_predictions_change_than_the_window_has() -> None:
    embeddings, labels = synthetic(4, 160, 32, 0)
    photos = Photos(embeddings, labels.astype(np.intp), tuple(f"{row:03d}" for row in range(160)))
    counts = play(photos, ("a", "b", "c", "d"), 20, 12)
    assert counts[0].tolist() == [0, 0, 20], "the first window is all new"
    assert (counts[1:, 1] <= counts[1:, 0]).all()
    assert counts[1:, 0].mean() < 20 + counts[1:, 2].mean()


def test_what_is_published_is_stored_and_stands_still() -> None:
    parsed = SupersededName.parse("model superseded 2026-01-01 00 UTC")
    assert parsed is not None
    stored = StoredPredictions(parsed)
    items = [WindowItem(task, []) for task in (3, 1, 2)]
    assert len(stored.publish(items, set()).steps) == 3
    assert stored.publish(items, set()).steps == ()
    assert [step.task_id for step in stored.publish(items[::-1], {1}).steps] == [2]
