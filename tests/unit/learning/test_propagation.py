from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from backend.learning import propagation
from backend.learning.knn_graph import normalised
from backend.learning.propagation import SpreadingGraph, spread

pytestmark = pytest.mark.unit


def graph(n: int = 40) -> sparse.csr_matrix:
    rng = np.random.default_rng(0)
    weights = np.triu((rng.random((n, n)) < 0.15) * rng.random((n, n)), 1)
    return normalised(sparse.csr_matrix((weights + weights.T).astype(np.float32)))


def test_the_fixed_point_is_the_closed_form() -> None:
    seeds = np.zeros((40, 3), dtype=np.float32)
    seeds[[0, 7, 20], [0, 1, 2]] = 1
    links = graph()
    found = spread(links, seeds, alpha=0.8, iterations=200, tolerance=1e-7)
    expected = 0.2 * np.linalg.solve(np.eye(40) - 0.8 * links.toarray(), seeds)
    assert found == pytest.approx(expected, abs=1e-5)


def test_one_step_by_hand() -> None:
    links = sparse.csr_matrix(np.array([[0, 1], [1, 0]], dtype=np.float32))
    assert spread(links, np.array([[1], [0]], np.float32), alpha=0.5, iterations=1).tolist() == [[0.5], [0.5]]


def test_threads_and_a_warm_start_lead_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = np.eye(40, 4, dtype=np.float32)
    plain = spread(graph(), seeds, iterations=200, tolerance=1e-7)
    monkeypatch.setattr(propagation, "_PARALLEL_FROM", 1)
    monkeypatch.setattr(propagation.os, "cpu_count", lambda: 3)
    assert spread(graph(), seeds, iterations=200, tolerance=1e-7) == pytest.approx(plain, abs=1e-6)
    warm = spread(graph(), seeds, iterations=5, tolerance=0.0, start=plain)
    cold = spread(graph(), seeds, iterations=5, tolerance=0.0)
    assert np.abs(warm - plain).max() < 1e-5 < np.abs(cold - plain).max()


def test_blocks_and_renumbered_rows_lead_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = np.eye(40, 4, dtype=np.float32)
    plain = SpreadingGraph(graph()).spread(seeds, alpha=0.9, iterations=7)
    assert plain == pytest.approx(spread(graph(), seeds, alpha=0.9, iterations=7), abs=1e-6)
    monkeypatch.setattr(propagation, "_BLOCK_ENTRIES", 12)  # three rows at once
    monkeypatch.setattr(propagation, "_RENUMBER_FROM", 1)
    renumbered = SpreadingGraph(graph())
    assert renumbered.spread(seeds, alpha=0.9, iterations=7) == pytest.approx(plain, abs=1e-6)
    onward = renumbered.spread(seeds, alpha=0.9, iterations=3, start=plain)
    assert onward == pytest.approx(spread(graph(), seeds, alpha=0.9, iterations=3, start=plain), abs=1e-6)


def test_labels_that_nobody_gave_change_nothing() -> None:
    seeds = np.eye(40, 4, dtype=np.float32)
    among = np.zeros((40, 9), dtype=np.float32)
    among[:, 1:8:2] = seeds
    links = SpreadingGraph(graph())
    plain = links.spread(seeds, alpha=0.9, iterations=7)
    found = links.spread(among, alpha=0.9, iterations=7)
    assert (found[:, 1:8:2] == plain).all()
    assert not found[:, ::2].any()
    onward = links.spread(among, alpha=0.9, iterations=3, start=found)
    assert (onward[:, 1:8:2] == links.spread(seeds, alpha=0.9, iterations=3, start=plain)).all()
    # What was given once is not forgotten where it is what spreading starts from.
    assert links.spread(np.zeros_like(among), alpha=0.9, iterations=1, start=found)[:, 1].any()
    assert not links.spread(np.zeros_like(among), alpha=0.9, iterations=3).any()
