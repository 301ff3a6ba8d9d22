"""After BACKBONE was changed every photo is embedded anew, and what served answers meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from backend.learning.head_inference import Head, HeadLayers
from backend.learning.transform import FeatureTransform
from backend.service.ingest.embedding import unseen_photos
from backend.service.pool.snapshot import backbone_of_snapshot
from backend.service.projects.tasks import count_tasks, count_unseen
from backend.service.queue.predict import Predictor
from backend.service.versions.artifacts import head_folder, project_folder, save_heads
from backend.service.versions.registry import record_version, serve
from backend.storage.schema import Feature, Task
from tests.unit.service.photo_project import PhotoProject

pytestmark = [pytest.mark.unit, pytest.mark.long]

CLASSES = ("cat", "coffee", "rocket")
BEFORE, AFTER = "efficientnet_lite0", "efficientnet_lite2"


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhotoProject]:
    """A project that was ordered with one backbone, opened again with another."""
    project = PhotoProject(tmp_path_factory.mktemp("changed"), CLASSES, 4, backbone=BEFORE)
    project.run("embed")
    serve_a_head(project)
    project.run("refresh")
    assert backbone_of(project).startswith(BEFORE)
    assert project.row.published_version.startswith("head-1.")
    project.open(backbone=AFTER)
    yield project
    project.database.close()


def serve_a_head(project: PhotoProject) -> None:
    """Let a head serve that was made with the present backbone."""
    backbone = project.runtime.backbone
    transform = FeatureTransform(np.zeros(backbone.spec.embedding_dim, np.float32))
    labels = len(CLASSES)
    bias = np.zeros(labels, np.float32)
    bias[0] = 1.0  # labels that lead equally would be no suggestion
    layers = HeadLayers(np.zeros((backbone.spec.embedding_dim, labels), np.float32), bias)
    head = Head("linear", transform, layers, np.ones(labels, bool), np.zeros(labels, np.float32), False, 1.0, {})
    save_heads(head_folder(project.runtime, 1, "head-1"), [head])
    record_version(project.runtime, 1, "head-1", kind="head", status="candidate", backbone=backbone.id)
    serve(project.runtime, 1, "head-1", pinned=True)


def backbone_of(project: PhotoProject) -> str:
    row = project.row
    return backbone_of_snapshot(project_folder(project.runtime, 1) / "snapshots" / row.snapshot) or ""


def embedded_by(project: PhotoProject, name: str) -> int:
    query = select(func.count()).select_from(Feature).where(Feature.backbone.startswith(f"{name}-"))
    with project.database.session() as session:
        return session.scalar(query) or 0


def refreshes_of(project: PhotoProject) -> int:
    return sum(job.kind == "refresh" for job in project.jobs.ledger.of_project(1))


def test_a_new_photo_is_predicted_by_the_backbone_of_what_serves(changed: PhotoProject) -> None:
    with changed.database.session() as session:
        path = session.get_one(Task, (1, 0)).image
    answers = Predictor(changed.runtime).predict(1, [{"id": 100, "data": {"i": path}}], 60)
    assert answers[0]["result"]
    assert embedded_by(changed, AFTER) == 0
    with changed.database.session() as session:  # the embed job, by the new backbone, is still to come
        assert session.get_one(Task, (1, 100)).digest is None
        session.delete(session.get_one(Task, (1, 100)))
    assert "embed" in {changed.jobs.ledger.get(job).kind for job in changed.jobs.ledger.waiting(1)}


def test_a_sync_has_every_photo_embedded_anew_and_ordered(changed: PhotoProject) -> None:
    assert embedded_by(changed, BEFORE) == len(changed.truth)
    changed.run("sync")
    assert embedded_by(changed, AFTER) == len(changed.truth)
    assert backbone_of(changed).startswith(AFTER)
    assert changed.row.ordered_tasks == len(changed.truth)
    # The head knows the other backbone's embeddings only, though these are as long.
    assert changed.row.published_version.startswith("propagation.")
    refreshes = refreshes_of(changed)
    changed.run("sync")  # all is well by now: nothing is asked for
    assert refreshes_of(changed) == refreshes


def test_a_photo_that_is_gone_leaves_the_pool_with_its_reason(changed: PhotoProject) -> None:
    changed.open(backbone="efficientnet_lite1")
    with changed.database.session() as session:
        session.get_one(Task, (1, 5)).image = str(Path(session.get_one(Task, (1, 5)).image).with_name("gone.jpg"))
    changed.run("sync")
    with changed.database.session() as session:
        gone = session.get_one(Task, (1, 5))
        assert (gone.digest, bool(gone.failure)) == (None, True)
        assert count_tasks(session, 1) == {"total": 12, "embedded": 11, "failed": 1, "pending": 0}
    assert changed.row.ordered_tasks == 11


def test_what_a_backbone_has_not_seen_is_listed_once(changed: PhotoProject) -> None:
    runtime, other = changed.runtime, "another-00000000"

    def listed(count: int) -> list[int]:
        return [task.task_id for tasks in unseen_photos(runtime, 1, other, count) for task in tasks]

    with changed.database.session() as session:
        embedded = [(task.task_id, task.digest or "") for task in session.scalars(select(Task)) if task.digest]
        assert count_unseen(session, 1, other) == len(embedded)
    assert listed(len(embedded)) == sorted(task for task, _ in embedded)
    seen = embedded[0][1]
    runtime.features.put(other, [(seen, np.zeros(2))])
    rest = [task for task, digest in embedded if digest != seen]
    with changed.database.session() as session:
        assert count_unseen(session, 1, other) == len(rest)
    assert runtime.features.seen([digest for _, digest in embedded], other) == {seen}
    assert listed(len(rest)) == rest
    assert listed(0) == []
