"""Photos that are made to kill what reads them: they cost only themselves, whoever reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from backend.jobs.ledger import WorkerName
from backend.storage.schema import Job, Task
from tests.unit.decoding import hostile
from tests.unit.service.photo_project import PhotoProject

pytestmark = pytest.mark.unit


def project_with(folder: Path, pictures: dict[str, bytes], **settings: Any) -> PhotoProject:
    """Two good photos, and tasks 100, 101, … with these pictures."""
    project = PhotoProject(folder, ("coffee", "rocket"), 1, **settings)
    roots = (*project.settings.local_roots, str(folder))
    project.open(local_roots=roots)
    with project.database.session() as session:
        for number, (name, data) in enumerate(pictures.items(), 100):
            (folder / name).write_bytes(data)
            session.add(Task(project_id=1, task_id=number, data={"i": str(folder / name)}, image=str(folder / name)))
    return project


def failures(project: PhotoProject) -> dict[int, str]:
    with project.database.session() as session:
        rows = session.execute(select(Task.task_id, Task.failure).where(Task.failure.is_not(None)))
        return {task: reason or "" for task, reason in rows}


def embedded(project: PhotoProject) -> list[int]:
    with project.database.session() as session:
        return list(session.scalars(select(Task.task_id).where(Task.digest.is_not(None)).order_by(Task.task_id)))


def test_giants_are_named_and_the_photos_beside_them_embedded(tmp_path: Path) -> None:
    pictures = {
        "a.webp": hostile.lossless_webp(16000, 12000),
        "b.tif": hostile.tiff(14000, 14000, "F"),
        "c.tif": hostile.tiff(14000, 14000, "I"),
        "d.webp": hostile.lossless_webp(7000, 7000),  # within the pixels, not within the memory set here
    }
    project = project_with(tmp_path, pictures, image_memory_mb=128)
    project.try_one("embed")
    assert embedded(project) == [0, 1]
    assert failures(project) == {
        100: "too_many_pixels",
        101: "too_many_pixels",
        102: "too_many_pixels",
        103: "too_much_memory",
    }


def test_max_image_pixels_of_the_settings_reaches_the_embedding(tmp_path: Path) -> None:
    project = project_with(tmp_path, {"a.png": hostile.png(300, 200)}, max_image_pixels=59_999)
    project.try_one("embed")
    assert failures(project) == {100: "too_many_pixels"}


def test_a_job_that_killed_its_workers_reads_in_a_process_apart(tmp_path: Path) -> None:
    project = project_with(tmp_path, {"a.webp": hostile.lossless_webp(4000, 4000)}, image_memory_mb=64)
    job = project.jobs.enqueue("embed", 1)
    for _ in range(2):  # two workers died with it
        dead = WorkerName("elsewhere", 1, "x")
        assert project.jobs.ledger.claim(job, dead) is not None
        with project.database.session() as session:
            session.get_one(Job, job).status = "queued"
    helper = project.runtime.decoder._helper
    assert helper.pid is None
    project._runner.run(job)
    assert helper.pid is not None
    assert embedded(project) == [0, 1]
    assert list(failures(project)) == [100]
    assert project.jobs.ledger.get(job).status == "done"
