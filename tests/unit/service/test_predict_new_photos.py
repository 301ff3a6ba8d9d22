"""Photos that came after the last snapshot get what they would have got in the pool."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.service.pool.snapshot import read_snapshot
from backend.service.queue.predict import Predictor
from backend.service.versions.artifacts import snapshots_folder
from backend.storage.schema import Task
from tests.unit.service.photo_project import PhotoProject

pytestmark = pytest.mark.unit


@pytest.fixture
def project(tmp_path: Path) -> PhotoProject:
    made = PhotoProject(tmp_path, ("coffee", "rocket", "astronaut"), 5)
    made.run("embed")
    return made


def asked_again(project: PhotoProject) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Label and its probability of the photos of the pool, and of the same files as tasks that are not in it yet."""
    with project.database.session() as session:
        data = [session.get_one(Task, (1, number)).data for number in range(len(project.truth))]
    predictor = Predictor(project.runtime)
    inside, outside = (
        predictor.predict(1, [{"id": first + number, "data": each} for number, each in enumerate(data)], 60.0)
        for first in (0, 100)
    )

    def named(answers: list) -> list[tuple[str, float]]:
        results = [answer["result"][0] for answer in answers]
        return [(result["value"]["choices"][0], result["score"]) for result in results]

    return named(inside), named(outside)


def test_before_any_annotation_a_new_photo_gets_what_the_pool_says_of_it(project: PhotoProject) -> None:
    assert project.row.published_version.startswith("wordnet")
    snapshot = read_snapshot(snapshots_folder(project.runtime, 1) / project.row.snapshot)
    assert snapshot.controls[0].extension["annotated"].size == 0
    inside, outside = asked_again(project)
    assert [label for label, _ in outside] == [label for label, _ in inside]
    difference = np.abs(np.array([score for _, score in outside]) - [score for _, score in inside])
    assert difference.max() < 0.1, (inside, outside)
