"""The curve of a default project, held on real photos where they are at hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from backend.settings import load_settings
from backend.simulation import run
from tests.application import MODELS, WORDNET

pytestmark = pytest.mark.unit

SPORTS = Path(__file__).resolve().parents[3] / ".." / "shared" / "images" / "sports50"
CLASSES, EACH = 16, 16
REPORTED = {0: 0.730, 1: 0.753, 3: 0.787, 10: 0.841, 20: 0.852, 40: 0.894, 80: 0.966}
"""Labels -> right suggestions on the unlabelled photos, as measured with EfficientNet-Lite0."""
SLACK = 0.015


@pytest.mark.skipif(not SPORTS.is_dir(), reason="the sports50 photos are not at hand")
def test_the_default_curve_stays_where_it_was_measured(tmp_path: Path) -> None:
    for folder in sorted((SPORTS / "pool").iterdir())[: 3 * CLASSES : 3]:
        for part, count in (("pool", EACH), ("test", 4)):
            (tmp_path / part / folder.name).mkdir(parents=True)
            for photo in sorted((SPORTS / part / folder.name).glob("*.jpg"))[:count]:
                shutil.copy(photo, tmp_path / part / folder.name / photo.name)
    settings = load_settings(
        state_dir=tmp_path / "state", weights_dir=MODELS, wordnet_dir=WORDNET, backbone="efficientnet_lite0"
    )
    out = tmp_path / "out"
    run(tmp_path / "pool", out, settings, test_dir=tmp_path / "test", budget=80, seeds=1, batch=5, evaluation_share=0.0)
    curve = {
        point["labels"]: point["unlabelled_accuracy"]
        for point in json.loads((out / "curve.json").read_text())
        if point["strategy"] == "default"
    }
    assert all(curve[labels] >= accuracy - SLACK for labels, accuracy in REPORTED.items()), curve
    # The first labels take nothing away.
    assert min(accuracy for labels, accuracy in curve.items() if 1 <= labels <= 20) >= curve[0] - 0.02, curve
