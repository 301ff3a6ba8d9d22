from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge

from backend.learning import linear
from backend.learning.linear import fit_ridge, softmax_in_place

pytestmark = pytest.mark.unit


def test_agrees_with_scikit_learn_in_blocks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, 7)).astype(np.float32)
    targets = rng.random((90, 3)).astype(np.float32)
    weight = rng.random(90).astype(np.float32)
    expected = Ridge(alpha=0.3).fit(rows, targets, sample_weight=weight)
    monkeypatch.setattr(linear, "_CHUNK", 32)
    found = fit_ridge(rows, targets, weight, penalty=0.3)
    assert found.weights == pytest.approx(expected.coef_.T, abs=1e-4)
    assert found.bias == pytest.approx(expected.intercept_, abs=1e-4)


def test_sparse_targets_are_the_same_as_dense_ones() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 4)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[rng.integers(3, size=50)]
    weight = rng.random(50).astype(np.float32)
    dense, thin = fit_ridge(rows, targets, weight), fit_ridge(rows, sparse.csr_matrix(targets), weight)
    assert thin.weights == pytest.approx(dense.weights, abs=1e-5)
    assert thin.bias == pytest.approx(dense.bias, abs=1e-5)


def test_probabilities_are_the_sharpened_softmax() -> None:
    model = linear.LinearModel(np.eye(2, dtype=np.float32), np.zeros(2, np.float32), sharpness=2.0)
    found = model.probabilities(np.array([[1, 0], [0, 0]], dtype=np.float32))
    assert found == pytest.approx(np.array([[1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))], [0.5, 0.5]]), abs=1e-6)
    assert softmax_in_place(np.array([[1000.0, 0.0]], dtype=np.float32)).tolist() == [[1.0, 0.0]]
