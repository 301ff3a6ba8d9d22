"""Rows and files that were damaged on disk: that task alone waits, and what is damaged is made anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from backend.service.pool.snapshot import read_snapshot
from backend.service.queue.predict import Predictor
from backend.service.versions.artifacts import snapshots_folder
from backend.storage.schema import Feature, Job, Task
from tests.unit.service.photo_project import PhotoProject

pytestmark = pytest.mark.unit


@pytest.fixture
def project(tmp_path: Path) -> PhotoProject:
    made = PhotoProject(tmp_path, ("coffee", "rocket"), 4)
    made.run("embed")
    return made


def predicted(project: PhotoProject) -> list[bool]:
    with project.database.session() as session:
        tasks = [{"id": number, "data": session.get_one(Task, (1, number)).data} for number in range(8)]
    return [bool(answer) for answer in Predictor(project.runtime).predict(1, tasks, 60.0)]


def snapshot_of(project: PhotoProject) -> Path:
    return snapshots_folder(project.runtime, 1) / project.row.snapshot


@pytest.mark.parametrize(
    "file", ["meta.json", "task_ids.npy", "priority.npy", "probabilities-0.npy", "extension-0.npz"]
)
@pytest.mark.parametrize("how", ["cut", "changed", "missing"])
def test_a_damaged_snapshot_is_written_anew_and_predictions_go_on(project: PhotoProject, file: str, how: str) -> None:
    damaged = snapshot_of(project) / file
    content = damaged.read_bytes()
    if how == "missing":
        damaged.unlink()
    else:
        damaged.write_bytes(content[: len(content) // 2] if how == "cut" else content[:-3] + b"\0\1\2")
    assert predicted(project) == [True] * 8
    with project.database.session() as session:
        waiting = session.query(Job).filter_by(status="queued", kind="refresh").one()
        assert waiting.payload == {"republish": True}
    before = project.row.snapshot
    project.run_waiting()
    assert project.row.snapshot != before
    read_snapshot(snapshot_of(project))
    assert predicted(project) == [True] * 8


def test_a_damaged_embedding_is_made_anew(project: PhotoProject) -> None:
    with project.database.session() as session:
        digest = session.get_one(Task, (1, 3)).digest
        session.execute(update(Feature).where(Feature.digest == digest).values(embedding=b"\0\0"))
    project.open()  # a new process has nothing in memory
    assert predicted(project) == [True] * 8
    project.run("refresh")
    assert project.row.ordered_tasks == 8
