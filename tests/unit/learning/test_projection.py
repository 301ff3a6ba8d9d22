from __future__ import annotations

import numpy as np
import pytest

from backend.learning import projection as projection_module
from backend.learning.projection import finite_rows, fit_projection, unit_rows

pytestmark = pytest.mark.unit


def correlated(n: int = 400, width: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, width)) * np.linspace(5, 0.5, width)) @ np.linalg.qr(rng.normal(size=(width, width)))[0]


@pytest.mark.parametrize("whitening", [0.0, 0.5, 1.0])
def test_variances_are_evened_out_as_far_as_whitening_says(whitening: float) -> None:
    rows = correlated()
    projection = fit_projection(rows, dimension=12, whitening=whitening)
    projected = (rows - projection.mean) @ projection.matrix
    variances = np.sort(np.linalg.eigvalsh(np.cov(rows.T, bias=True)))[::-1]
    assert projected.var(axis=0) == pytest.approx(
        variances / (variances + 1e-3 * variances.mean()) ** whitening, rel=1e-3
    )
    assert np.corrcoef(projected.T) == pytest.approx(np.eye(12), abs=1e-3)


def test_rows_are_unit_and_broken_rows_are_zero() -> None:
    rows = correlated().astype(np.float16)
    rows[0], rows[1, 3] = 0, np.nan
    projected = fit_projection(rows, dimension=5).project(rows)
    norms = np.linalg.norm(projected, axis=1)
    assert norms[:2].tolist() == [0.0, 0.0]
    assert norms[2:] == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_tiny_pools_have_a_space(n: int) -> None:
    rows = correlated()[:n]
    assert fit_projection(rows, dimension=5).project(rows).shape[0] == n


def test_large_pools_are_fitted_on_a_fair_sample() -> None:
    rows = correlated(4000)
    whole, sampled = (fit_projection(rows, dimension=12, sample=size).project(rows[:200]) for size in (10_000, 2000))
    assert np.abs(whole @ whole.T - sampled @ sampled.T).max() < 0.05
    assert not np.array_equal(whole, sampled)


def test_helpers() -> None:
    assert finite_rows(np.array([[1, np.inf], [1, 2]])).tolist() == [[0, 0], [1, 2]]
    assert unit_rows(np.array([[3, 4], [0, 0]], dtype=np.float32)) == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))


def test_few_rows_have_the_axes_that_their_covariance_has() -> None:
    rows = correlated(12, 40)  # fewer rows than dimensions: by their inner products
    projection = fit_projection(rows, dimension=8, whitening=0.0)
    centred = rows - rows.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / 12)
    assert ((rows - projection.mean) @ projection.matrix).var(axis=0) == pytest.approx(values[::-1][:8], rel=1e-3)
    assert np.abs(np.sum(projection.matrix * vectors[:, ::-1][:, :8], axis=0)) == pytest.approx(np.ones(8), abs=1e-3)


def test_leading_axes_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = correlated(400, 60) / np.sqrt(1.0 + np.arange(60))  # a spectrum that falls, as embeddings have it
    whole = fit_projection(rows, dimension=10)
    monkeypatch.setattr(projection_module, "_WIDE", 20)
    leading = fit_projection(rows, dimension=10)
    assert not np.array_equal(leading.matrix, whole.matrix)
    cosines = whole.project(rows[:50]) @ whole.project(rows[:50]).T
    assert leading.project(rows[:50]) @ leading.project(rows[:50]).T == pytest.approx(cosines, abs=0.02)


def test_the_order_of_the_rows_changes_no_axis() -> None:
    rows = correlated(700, 1000)  # wide enough that the leading axes are looked for without the others
    order = np.random.default_rng(1).permutation(700)
    first, second = (fit_projection(part, dimension=100).project(rows) for part in (rows, rows[order]))
    assert first @ first.T == pytest.approx(second @ second.T, abs=1e-3)
