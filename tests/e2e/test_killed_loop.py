"""The loop over folders, killed thirty times at moments drawn at random, ends as one that nobody killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend.demo.sample_photos import write_sample_photos
from backend.features import open_backbone

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

REPOSITORY = Path(__file__).resolve().parents[2]
CLASSES = ("chelsea", "coffee", "rocket")
KILLS = 30


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for path in write_sample_photos(tmp_path / "loose", count=12 * 12):
        name = path.name.rsplit("_", 1)[0]
        if name in CLASSES:
            (folder / name).mkdir(parents=True, exist_ok=True)
            path.rename(folder / name / path.name)
    return folder


def start(photos: Path, state: Path, work: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "backend", "run", "--unlabelled", photos, "--working-dir", work]
    command += ["--validation", photos, "--answers", "folders", "--batch", "3", "--budget", "27"]
    command += ["--classifier", "knn", "--no-export"]
    environment = os.environ | {
        "STATE_DIR": str(state),
        "WEIGHTS_DIR": str(REPOSITORY / ".cache" / "models"),
        "BACKBONE": "efficientnet_lite0",
    }
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def test_thirty_kills_lose_nothing(photos: Path, tmp_path: Path) -> None:
    open_backbone("efficientnet_lite0", models_dir=REPOSITORY / ".cache" / "models")
    begun = time.monotonic()
    undisturbed = start(photos, tmp_path / "state0", tmp_path / "W0")
    _, said = undisturbed.communicate()
    assert undisturbed.returncode == 0, said.decode()
    length = time.monotonic() - begun
    expected = {name: (tmp_path / "W0" / name).read_bytes() for name in ("answers.csv", "predictions.csv")}
    results = (tmp_path / "W0" / "validation" / "results.csv").read_bytes()

    random.seed(5)
    kills = tries = 0
    while kills < KILLS:
        tries += 1
        state, work = tmp_path / f"state{tries}", tmp_path / f"W{tries}"
        while True:
            process = start(photos, state, work)
            try:
                process.wait(random.uniform(0.0, length) if kills < KILLS else None)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                kills += 1
                continue
            _, said = process.communicate()
            assert process.returncode == 0, said.decode()
            break
        assert {name: (work / name).read_bytes() for name in expected} == expected
        assert (work / "validation" / "results.csv").read_bytes() == results
        assert not list((work / "batches").glob(".*"))
