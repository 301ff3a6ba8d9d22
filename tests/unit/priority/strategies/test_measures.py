"""The measures, against tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backend.priority import measures

from .pools import unhurried

pytestmark = pytest.mark.unit

UNCERTAINTY = (measures.least_confidence, measures.margin, measures.ratio, measures.entropy)

# p, least confidence (1 - p1) L / (L - 1), margin 1 - p1 + p2, ratio p2 / p1, entropy in units of log L
TABLE = [
    ((0.7, 0.2, 0.1), 0.45, 0.5, 2 / 7, 0.8018186 / 1.0986123),
    ((0.5, 0.5, 0.0), 0.75, 1.0, 1.0, 0.6931472 / 1.0986123),
    ((1.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.0),
    ((1 / 3, 1 / 3, 1 / 3), 1.0, 1.0, 1.0, 1.0),
    ((0.25, 0.25, 0.25, 0.25), 1.0, 1.0, 1.0, 1.0),
    ((0.4, 0.3, 0.2, 0.1), 0.8, 0.9, 0.75, 1.2798542 / 1.3862944),
    ((0.9, 0.1), 0.2, 0.2, 1 / 9, 0.3250830 / 0.6931472),
    ((1.0,), 0.0, 0.0, 0.0, 0.0),
]


@pytest.mark.parametrize(("row", "least_confidence", "margin", "ratio", "entropy"), TABLE)
def test_uncertainty_by_hand(
    row: tuple[float, ...], least_confidence: float, margin: float, ratio: float, entropy: float
) -> None:
    beliefs = np.array([row])
    found = [float(measure(beliefs)[0]) for measure in UNCERTAINTY]
    assert found == pytest.approx([least_confidence, margin, ratio, entropy], abs=1e-6)


@pytest.mark.parametrize("measure", UNCERTAINTY)
@pytest.mark.parametrize(
    "row", [(np.nan, 0.5, 0.5), (0.0, 0.0, 0.0), (np.inf, 0.0, 0.0), (-0.5, 1.0, 0.5), (-np.inf, np.inf, 1.0)]
)
def test_a_row_that_says_nothing_is_most_uncertain_and_leaves_the_others_alone(measure, row) -> None:  # type: ignore[no-untyped-def]
    mixed = np.array([(0.7, 0.2, 0.1), row, (1.0, 0.0, 0.0)])
    found = measure(mixed)
    assert found[1] == pytest.approx(1.0)
    assert found[[0, 2]] == pytest.approx(measure(mixed[[0, 2]]))


@unhurried
@example(np.full((1, 4), 2.0**126, dtype=np.float32))  # finite, but not their sum
@given(
    arrays.arrays(
        np.float32, st.tuples(st.integers(0, 6), st.integers(1, 5)), elements=st.floats(width=32, allow_nan=True)
    )
)
def test_whatever_comes_in_uncertainty_stays_in_range(beliefs: np.ndarray) -> None:
    rows = measures.usable_probabilities(beliefs)
    assert rows.shape == beliefs.shape
    assert rows.sum(axis=1) == pytest.approx(np.ones(len(beliefs)), abs=1e-5)
    for measure in UNCERTAINTY:
        found = measure(beliefs)
        assert found.dtype == np.float32
        assert found.shape == (len(beliefs),)
        assert np.all((found >= 0) & (found <= 1))


@unhurried
@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_uncertainty_does_not_depend_on_the_order_of_labels(labels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    beliefs = rng.dirichlet(np.ones(labels), 8)
    for measure in UNCERTAINTY:
        assert measure(beliefs[:, rng.permutation(labels)]) == pytest.approx(measure(beliefs), abs=1e-5)


def test_probabilities_must_be_a_matrix() -> None:
    with pytest.raises(ValueError, match=r"\[rows, labels\]"):
        measures.usable_probabilities(np.array([0.5, 0.5]))


def test_counts_become_probabilities() -> None:
    assert measures.usable_probabilities(np.array([[3.0, 1.0]])).tolist() == [[0.75, 0.25]]


def test_typicality_by_hand() -> None:
    # Distances 0 and 2 have the mean 1; distances 1 and 3 the mean 2.
    found = measures.typicality(np.array([[0.0, 4.0], [1.0, 9.0], [0.0, 0.0]]))
    assert found == pytest.approx([0.5, 1 / 3, 1.0])


def test_typicality_without_neighbours_is_nothing() -> None:
    assert measures.typicality(np.empty((2, 0))).tolist() == [0.0, 0.0]


def test_rounding_below_zero_is_no_distance() -> None:
    assert measures.typicality(np.array([[-1e-7]])).tolist() == [1.0]


def test_mean_similarity_by_hand() -> None:
    space = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    # Cosines with (1,0) and (0,1): (1+0)/2, (0+1)/2, (-1+0)/2; then (1 + mean) / 2.
    found = measures.mean_similarity(space, space[:2])
    assert found == pytest.approx([0.75, 0.75, 0.25])


def test_mean_similarity_to_nothing_is_neutral() -> None:
    assert measures.mean_similarity(np.ones((2, 1)), np.empty((0, 1))).tolist() == [0.5, 0.5]


def test_set_doubt_is_how_probably_any_label_is_taken_wrongly() -> None:
    rows = np.array([[1.0, 1.0, 0.0], [0.9, 0.2, 0.0], [0.5, 0.5, 0.5], [np.nan, 1.0, 1.0], [2.0, -1.0, 1.0]])
    np.testing.assert_allclose(measures.set_doubt(rows), [0.0, 1 - 0.9 * 0.8, 1 - 0.125, 0.5, 0.0], atol=1e-6)
    assert measures.set_doubt(np.zeros((2, 0))).tolist() == [0.0, 0.0]
