"""Photos of several labels: what always comes together is believed together, what is combined freely one by one."""

from __future__ import annotations

import numpy as np
import pytest

from backend.learning.out_of_sample import extend_from
from backend.learning.pool_model import PoolModel
from backend.learning.relevance import RelevanceHints
from backend.learning.several_labels import SeveralLabelsModel

from .pools import clusters

pytestmark = pytest.mark.unit

CROWDS = 5
INDOOR, TEAM, STRANGER = 5, 6, 7
LABELS = 8


def photos(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Five crowds, each with a label of its own; the first two are Indoor too, the third is a Team's."""
    embeddings, crowd, _ = clusters(n, CROWDS, seed=seed)
    truth = np.zeros((n, LABELS), dtype=np.float32)
    truth[np.arange(n), crowd] = 1.0
    truth[crowd < 2, INDOOR] = 1.0
    truth[crowd == 2, TEAM] = 1.0
    return embeddings, truth, np.full((n, LABELS), 1 / LABELS, dtype=np.float32)


def annotated(truth: np.ndarray, each: int) -> np.ndarray:
    """Some photos of each crowd."""
    return np.concatenate([np.flatnonzero(truth[:, crowd])[:each] for crowd in range(CROWDS)])


def exact(beliefs: np.ndarray, truth: np.ndarray, rows: np.ndarray) -> float:
    others = np.setdiff1d(np.arange(len(truth)), rows)
    return float(((beliefs[others] >= 0.5) == (truth[others] >= 0.5)).all(axis=1).mean())


def test_labels_that_come_together_are_all_believed() -> None:
    embeddings, truth, prior = photos()
    model = SeveralLabelsModel(embeddings, prior)
    rows = annotated(truth, 3)
    beliefs = model.propagate(rows, truth[rows])
    assert model.several
    assert exact(beliefs, truth, rows) > 0.85
    assert beliefs.min() >= 0.0
    assert beliefs.max() <= 1.0
    assert model.unmixed is not None
    assert model.unmixed.shape == beliefs.shape
    np.testing.assert_array_equal(beliefs[rows], truth[rows])


def test_labels_that_are_combined_freely_are_learned_one_by_one() -> None:
    """Each photo shows two of six things, in any combination: 15 sets."""
    rng = np.random.default_rng(3)
    things = rng.normal(size=(6, 64)) * 2.0
    shown = np.array([rng.choice(6, 2, replace=False) for _ in range(400)])
    truth = np.zeros((400, 6), dtype=np.float32)
    truth[np.arange(400)[:, None], shown] = 1.0
    embeddings = (truth @ things + 0.8 * rng.normal(size=(400, 64))).astype(np.float16)
    model = SeveralLabelsModel(embeddings, np.full((400, 6), 1 / 6, dtype=np.float32))
    rows = np.arange(60)
    beliefs = model.propagate(rows, truth[rows])
    right = ((beliefs[60:] >= 0.5) == (truth[60:] >= 0.5)).mean()
    assert right > 0.9


def test_while_each_photo_has_one_label_it_is_the_model_of_one_label() -> None:
    embeddings, truth, prior = photos()
    truth = truth.copy()
    truth[:, CROWDS:] = 0.0
    rows = annotated(truth, 2)
    several, one = SeveralLabelsModel(embeddings, prior), PoolModel(embeddings, prior)
    nobody = np.zeros(0, dtype=np.intp)
    np.testing.assert_array_equal(several.propagate(nobody, truth[nobody]), one.propagate(nobody, truth[nobody]))
    np.testing.assert_array_equal(several.propagate(rows, truth[rows]), one.propagate(rows, truth[rows]))
    assert not several.several


def test_an_answer_that_is_taken_back_is_forgotten() -> None:
    embeddings, truth, prior = photos()
    model = SeveralLabelsModel(embeddings, prior)
    rows = annotated(truth, 3)
    model.propagate(rows, truth[rows])
    single = rows[truth[rows].sum(axis=1) == 1]
    beliefs = model.propagate(single, truth[single])
    assert not model.several
    np.testing.assert_allclose(beliefs.sum(axis=1), 1.0, atol=1e-4)


def test_new_photos_are_told_as_those_of_the_pool_are() -> None:
    embeddings, truth, prior = photos(400)
    model = SeveralLabelsModel(embeddings[:300], prior[:300])
    rows = annotated(truth[:300], 4)
    model.propagate(rows, truth[rows])
    new = model.extend(embeddings[300:], prior[300:])
    right = ((new >= 0.5) == (truth[300:] >= 0.5)).all(axis=1).mean()
    assert right > 0.8
    carried = extend_from(model.export_extension(), embeddings[300:], prior[300:])
    assert ((carried >= 0.5) == (new >= 0.5)).all(axis=1).mean() > 0.97
    assert extend_from(model.export_extension(), embeddings[:0], prior[:0]).shape == (0, LABELS)


def test_what_does_not_belong_has_its_label_alone() -> None:
    embeddings, truth, prior = photos()
    truth = truth.copy()
    strangers = truth[:, 4] == 1.0
    truth[strangers] = np.eye(LABELS, dtype=np.float32)[STRANGER]
    irrelevant = np.arange(LABELS) == STRANGER
    model = SeveralLabelsModel(embeddings, prior, hints=RelevanceHints(irrelevant))
    rows = np.concatenate([annotated(truth, 3)[:12], np.flatnonzero(strangers)[:4]])
    beliefs = model.propagate(rows, truth[rows])
    others = np.setdiff1d(np.flatnonzero(strangers), rows)
    assert (beliefs[others, STRANGER] >= 0.5).mean() > 0.8
    assert model.relevance is not None
    assert model.relevance[others].mean() < 0.5


def test_photos_that_join_later_are_told_too() -> None:
    embeddings, truth, prior = photos(360)
    model = SeveralLabelsModel(embeddings[:300], prior[:300])
    rows = annotated(truth[:300], 3)
    model.propagate(rows, truth[rows])
    model.add(embeddings[300:], prior[300:])
    assert not model.several
    beliefs = model.propagate(rows, truth[rows])
    assert beliefs.shape == truth.shape
    assert exact(beliefs, truth, rows) > 0.8
