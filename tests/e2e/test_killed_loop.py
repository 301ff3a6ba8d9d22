"""The loop over folders, killed again and again at moments drawn at random, ends as one that nobody killed.

`LOOP_KILLS` says how often: 10 in the suite.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend.demo.sample_photos import write_sample_photos
from backend.features import open_backbone
from tests.forked import ForkServer, kill_group

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(1800)]

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / ".cache" / "models"
CLASSES = ("chelsea", "coffee", "rocket")
KILLS = int(os.environ.get("LOOP_KILLS", "10"))
PRELOADED = ["openvino", "matplotlib.figure", "sklearn.neighbors", "backend.cli.app", "backend.active_learning.loop"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve photos of each class."""
    folder = tmp_path / "photos"
    for path in write_sample_photos(tmp_path / "loose", count=12 * 12):
        name = path.name.rsplit("_", 1)[0]
        if name in CLASSES:
            (folder / name).mkdir(parents=True, exist_ok=True)
            path.rename(folder / name / path.name)
    return folder


class Loop:
    """One loop over the photos, with a state and a working folder of its own."""

    def __init__(self, photos: Path, folder: Path) -> None:
        folder.mkdir()
        self.work = folder / "W"
        self.log = folder / "log.txt"
        self.arguments = ["run", "--unlabelled", str(photos), "--working-dir", str(self.work)]
        self.arguments += ["--validation", str(photos), "--answers", "folders", "--batch", "6", "--budget", "24"]
        self.arguments += ["--classifier", "knn", "--no-export"]
        self.environment = {
            "STATE_DIR": str(folder / "state"),
            "WEIGHTS_DIR": str(MODELS),
            "BACKBONE": "efficientnet_lite0",
        }

    def result(self) -> dict[str, bytes]:
        """All that it wrote about answers, beliefs and accuracy, by file; the pictures of the batches by their names."""
        names = ("answers.csv", "predictions.csv", "validation/*.csv", "batches/*/*.csv", "checkpoints/*/*")
        found = {path: path.read_bytes() for name in names for path in self.work.glob(name)}
        pictures = dict.fromkeys(self.work.glob("batches/*/*/*.jpg"), b"")
        return {str(path.relative_to(self.work)): content for path, content in (found | pictures).items()}

    def leftovers(self) -> list[Path]:
        """Half-made files."""
        return [path for path in self.work.rglob("*") if path.name.startswith(".") or path.name.endswith(".part")]


def test_a_loop_killed_at_random_moments_ends_as_one_that_nobody_killed(photos: Path, tmp_path: Path) -> None:
    open_backbone("efficientnet_lite0", models_dir=MODELS)
    calm = Loop(photos, tmp_path / "calm")
    command = [sys.executable, "-m", "backend", *calm.arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env=os.environ | calm.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = calm.result()
    assert len(expected) > 30

    server = ForkServer(PRELOADED)
    length = _whole_life(server, Loop(photos, tmp_path / "forked"))
    chance = random.Random(5)
    kills = loops = 0
    while kills < KILLS:
        loops += 1
        loop = Loop(photos, tmp_path / f"loop{loops}")
        while kills < KILLS:
            process = server.command(loop.arguments, loop.environment, loop.log)
            process.join(chance.uniform(0.0, length))
            if not process.is_alive():
                break
            kill_group(process)
            kills += 1
        process = server.command(loop.arguments, loop.environment, loop.log)  # the last kill may have been in this loop
        process.join()
        assert process.exitcode == 0, loop.log.read_text()
        assert loop.result() == expected
        assert loop.leftovers() == []


def _whole_life(server: ForkServer, loop: Loop) -> float:
    """The seconds that a loop takes from its start to its end where nobody kills it."""
    started = time.monotonic()
    process = server.command(loop.arguments, loop.environment, loop.log)
    process.join()
    assert process.exitcode == 0, loop.log.read_text()
    return time.monotonic() - started
