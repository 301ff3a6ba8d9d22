"""From folders of real photos to curves, through the real backbone and store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from backend.errors import NotFoundError, SettingsError
from backend.settings import load_settings
from backend.simulation import RANDOM_HEAD, run
from tests.application import MODELS, WORDNET
from tests.photographs import CLASSES, photographs

pytestmark = pytest.mark.unit


def test_real_photos_from_folder_to_curve(tmp_path: Path) -> None:
    for name in sorted(CLASSES)[:4]:
        (tmp_path / "photos" / name).mkdir(parents=True)
        for photo in sorted((photographs() / name).glob("*.jpg"))[:8]:
            shutil.copy(photo, tmp_path / "photos" / name / photo.name)
    (tmp_path / "photos" / name / "broken.jpg").write_bytes(b"no photo")
    settings = load_settings(
        state_dir=tmp_path / "state", weights_dir=MODELS, wordnet_dir=WORDNET, backbone="efficientnet_lite0"
    )
    heard: list[str] = []
    found = run(
        tmp_path / "photos",
        tmp_path / "out",
        settings,
        budget=12,
        seeds=1,
        batch=4,
        evaluation_share=0.0,
        progress=lambda share, text: heard.append(text),
    )
    assert (found.pool_size, found.test_size) == (16, 16)
    assert {run.strategy for run in found.runs} == {"default", RANDOM_HEAD}
    assert next(run for run in found.runs if run.strategy == "default").points[-1].accuracy > 0.6
    assert {"embedding photos", "default, seed 0"} <= set(heard)
    assert not (tmp_path / "state" / "wordnet").exists(), "WORDNET_DIR says where it is"
    assert json.loads((tmp_path / "out" / "curve.json").read_text())[0]["labels"] == 0
    with pytest.raises(NotFoundError, match="class folders that the pool has not"):
        run(tmp_path / "photos", tmp_path / "out", settings, test_dir=photographs(), budget=4, seeds=1)


def test_an_unknown_strategy_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="unknown query strategy"):
        run(tmp_path, tmp_path / "out", load_settings(state_dir=tmp_path), strategies=["nonesuch"])
    assert not (tmp_path / "out").exists()
