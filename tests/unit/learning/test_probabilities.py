from __future__ import annotations

import numpy as np
import pytest

from backend.learning.pool_model import PoolModel
from backend.learning.probabilities import MOST_LEVEL, hard_labels
from tests.unit.learning.pools import clusters

pytestmark = pytest.mark.unit


def test_a_photo_teaches_its_likeliest_label_and_those_that_are_level_share_it() -> None:
    labels = np.array([[0.4, 0.39995, 0.20005], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [1 / 3, 1 / 3, 1 / 3]], np.float32)
    own = np.array([[0.0, 0.5, 0.5]], dtype=np.float32)
    expected = [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    assert hard_labels(labels, np.array([2]), own).toarray() == pytest.approx(np.array(expected))


def test_where_many_labels_are_level_nothing_is_known_and_the_first_has_the_photo() -> None:
    labels = np.full((2, MOST_LEVEL + 1), 1 / (MOST_LEVEL + 1), dtype=np.float32)
    nobody = np.zeros(0, dtype=np.intp), np.zeros((0, MOST_LEVEL + 1), dtype=np.float32)
    assert hard_labels(labels, *nobody).toarray()[:, 0].tolist() == [1.0, 1.0]


def test_the_order_stays_in_doubt_between_labels_that_the_prior_knows_alike() -> None:
    """Two crowds, of labels 3 and 4, of which the prior knows only that they are one of both."""
    embeddings, truth, _ = clusters()
    prior = 0.6 * np.eye(5, dtype=np.float32)[truth] + np.float32(0.08)
    prior[:, 3:] = prior[:, 3:].mean(axis=1, keepdims=True)
    model = PoolModel(embeddings, prior)
    rows = np.array([np.flatnonzero(truth == label)[0] for label in range(3)])
    model.propagate(rows, np.eye(5, dtype=np.float32)[truth[rows]])
    assert model.unmixed is not None
    either = model.unmixed[truth >= 3, 3:]
    assert either.sum(axis=1).min() > 0.5
    assert np.abs(either[:, 0] - either[:, 1]).max() < 0.01
