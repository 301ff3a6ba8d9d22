from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from backend.active_learning import LEARNERS, ActiveLearning, make_learner
from backend.errors import SettingsError
from backend.learning.adaptation import AdaptationOptions
from backend.simulation.photos import Photos

pytestmark = pytest.mark.unit

CLASSES = ("a", "b", "c", "d")


def clusters(count: int = 240, seed: int = 0) -> Photos:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(CLASSES), count)
    centres = np.random.default_rng(7).normal(size=(len(CLASSES), 48))
    embeddings = np.maximum(centres[labels] + rng.normal(scale=0.7, size=(count, 48)), 0).astype(np.float16)
    return Photos(embeddings, labels.astype(np.intp), tuple(f"{seed}-{row:04d}" for row in range(count)))


@pytest.mark.parametrize("name", ["graph", *LEARNERS])
def test_every_learner_learns(name: str) -> None:
    pool, test = clusters(), clusters(seed=1)
    learning = ActiveLearning(pool, CLASSES, learner=make_learner(name))
    for _ in range(3):
        rows = learning.query(10)
        assert len(set(rows)) == 10
        assert not set(rows) & set(learning.answered.tolist())
        learning.answer(rows, pool.labels[rows].tolist())
        learning.fit()
    found = learning.predict(test.embeddings)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-3)
    assert (found.argmax(axis=1) == test.labels).mean() > 0.85
    assert (learning.beliefs.argmax(axis=1) == pool.labels).mean() > 0.85


def test_one_class_so_far_rows_set_aside_and_an_empty_pool() -> None:
    pool = clusters(12)
    learning = ActiveLearning(pool, CLASSES, learner=make_learner("svm"))
    learning.fit()
    assert learning.beliefs.max() == pytest.approx(0.25)
    learning.answer([0, 1], [2, 2])
    learning.fit()
    assert learning.beliefs[:, 2].min() == 1.0
    learning.answer([2], [-2])
    assert sorted(learning.query(100)) == list(range(3, 12))
    learning.answer(range(3, 12), [0] * 9)
    assert learning.query(5) == []
    with pytest.raises(ValueError, match="label 4 of row 3"):
        learning.answer([3], [4])


def test_a_projection_may_be_learnt_as_well() -> None:
    pool = clusters()
    learning = ActiveLearning(pool, CLASSES, adaptation=AdaptationOptions(triplets="semi-hard"), adaptation_epochs=20)
    learning.answer(range(40), pool.labels[:40].tolist())
    learning.fit()
    assert (learning.beliefs.argmax(axis=1) == pool.labels).mean() > 0.9


def test_unknown_names_are_named() -> None:
    with pytest.raises(SettingsError, match="--classifier forest: unknown; known: graph, linear"):
        make_learner("forest")
    with pytest.raises(SettingsError, match="--epochs is for --classifier linear and mlp; knn does not"):
        make_learner("knn", epochs=5)
    with pytest.raises(SettingsError, match="guess"):
        ActiveLearning(clusters(10), CLASSES, strategy="guess")


def test_the_example_with_a_model_of_ones_own_runs() -> None:
    source = Path(__file__).resolve().parents[3] / "examples" / "own_model.py"
    accuracy = runpy.run_path(str(source))["main"](rounds=5)
    assert accuracy[-1] > 0.85
