from __future__ import annotations

from pathlib import Path

import pytest

from backend.demo.sample_photos import write_sample_photos
from backend.settings import Settings, load_settings

REPOSITORY = Path(__file__).resolve().parents[3]
CLASSES = ("chelsea", "coffee", "rocket")


@pytest.fixture(scope="session")
def class_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of twenty photos each, cut from the photographs that packages bring, and one file that is none."""
    folder = tmp_path_factory.mktemp("classes")
    loose = tmp_path_factory.mktemp("loose")
    for path in write_sample_photos(loose, count=12 * 20):
        name = path.name.rsplit("_", 1)[0]
        if name in CLASSES:
            (folder / name).mkdir(exist_ok=True)
            path.rename(folder / name / path.name)
    (folder / "coffee" / "broken.jpg").write_bytes(b"no photo")
    return folder


@pytest.fixture
def small_settings(tmp_path: Path) -> Settings:
    """The smallest embedded network, compiled once for all tests; a state of the test's own."""
    return load_settings(
        state_dir=tmp_path / "state", weights_dir=REPOSITORY / ".cache" / "models", backbone="efficientnet_lite0"
    )
