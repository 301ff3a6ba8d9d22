"""The benchmark of the headline figure on photos made here: what is measured is true, and the table says it."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from backend.simulation.engine import Setting
from backend.simulation.photos import Photos
from benchmarks.accuracy_interval import played, table

pytestmark = pytest.mark.unit


def test_a_project_is_measured_at_each_mark() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 4
    embeddings = (rng.normal(0, 1, (4, 16))[labels] + rng.normal(0, 0.5, (240, 16))).astype(np.float16)
    photos = Photos(embeddings, labels.astype(np.intp), tuple(f"photo {number}" for number in range(240)))
    setting = Setting(photos, photos, ("a", "b", "c", "d"))
    found = dict(played(setting, (20, 60), 0.2, 10, heads=True))
    assert list(found) == [20, 60]
    later = found[60]
    assert later.truth > 0.9
    assert later.low <= later.truth <= later.high
    assert later.high - later.low < later.sample_high - later.sample_low
    assert later.error < 0.05
    assert later.agreement >= 0.99
    console = Console(width=240, record=True)
    console.print(table({mark: [item] for mark, item in found.items()}))
    assert "1 of 1" in console.export_text()
