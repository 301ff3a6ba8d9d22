from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from backend.priority.coverage import SubtreeCoverage, UntouchedBranches
from tests.unit.priority.views import random_view

pytestmark = pytest.mark.unit

# Four labels below two branches below one root.
TREE = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1]], dtype=bool)


def test_hand_computed_gain() -> None:
    coverage = SubtreeCoverage(TREE, 4)
    photo = np.array([[1, 0, 0, 0]], dtype=np.float32)
    other = np.array([[0, 0, 1, 0]], dtype=np.float32)
    assert coverage.gains(photo)[0] == pytest.approx(1.0)
    coverage.add(photo)
    # Root and first branch hold 1: root weight 1/2, branch weight 1/sqrt 2; fresh = 1/2 + 1/sqrt 2.
    fresh = 0.5 + 1 / np.sqrt(2)
    assert coverage.gains(photo)[0] == pytest.approx((np.sqrt(2) - 1) * fresh / fresh, rel=1e-5)
    assert coverage.gains(other)[0] == pytest.approx((0.5 * (np.sqrt(2) - 1) + 1 / np.sqrt(2)) / fresh, rel=1e-5)
    assert coverage.mass.tolist() == [1.0, 1.0, 0.0]


def test_sparse_and_dense_membership_agree_and_none_is_flat() -> None:
    beliefs = np.random.default_rng(0).dirichlet(np.ones(4), size=20).astype(np.float32)
    dense, packed = SubtreeCoverage(TREE, 4), SubtreeCoverage(sparse.csr_matrix(TREE), 4)
    flat = SubtreeCoverage(None, 4)
    for coverage in (dense, packed, flat):
        coverage.add(beliefs[:5])
    assert np.allclose(dense.gains(beliefs), packed.gains(beliefs))
    assert flat.mass == pytest.approx(beliefs[:5].sum(axis=0), rel=1e-5)


@given(seed=st.integers(0, 10_000))
def test_covering_more_never_raises_a_gain(seed: int) -> None:
    rng = np.random.default_rng(seed)
    membership = rng.random((6, 5)) < 0.5
    coverage = SubtreeCoverage(membership, 6)
    beliefs = rng.dirichlet(np.ones(6), size=12).astype(np.float32)
    before = coverage.gains(beliefs)
    for start in range(0, 12, 3):
        coverage.add(beliefs[start : start + 3])
        after = coverage.gains(beliefs)
        assert (after <= before + 1e-6).all()
        assert ((after >= 0) & (after <= 1 + 1e-6)).all()
        before = after


def test_annotations_below_a_branch_lower_that_branch_and_no_other() -> None:
    coverage = SubtreeCoverage(TREE[:, 1:], 4)
    inside, outside = np.eye(4, dtype=np.float32)[[1]], np.eye(4, dtype=np.float32)[[2]]
    before = coverage.gains(outside)[0]
    gains = []
    for _ in range(4):
        gains.append(coverage.gains(inside)[0])
        coverage.add(np.eye(4, dtype=np.float32)[[0]])
    assert all(first > second for first, second in itertools.pairwise(gains))
    assert coverage.gains(outside)[0] == before


def test_the_largest_untouched_branch_is_named() -> None:
    beliefs = np.array([[0.6, 0.4, 0, 0], [0, 0, 0.9, 0.1], [0.1, 0.2, 0.3, 0.4]], dtype=np.float32)
    view = random_view(
        3,
        probabilities=beliefs,
        labelled=np.array([True, False, False]),
        annotated_probabilities=np.eye(4, dtype=np.float32)[[0]],
        membership=TREE,
        node_names=("sport", "racket sport", "water sport"),
        digests=None,
    )
    branches = UntouchedBranches(view, beliefs)
    assert branches.phrase(1) == "nothing labelled under water sport yet"
    assert branches.phrase(0) is None
    assert branches.phrase(2) == "nothing labelled under water sport yet"
    unnamed = UntouchedBranches(replace(view, node_names=("", "", "")), beliefs)
    assert unnamed.phrase(1) is None


def test_a_label_without_annotations_is_named_where_no_branch_is() -> None:
    beliefs = np.array([[0.6, 0.4, 0, 0], [0, 0.1, 0.8, 0.1]], dtype=np.float32)
    view = random_view(
        2,
        probabilities=beliefs,
        labelled=np.array([True, False]),
        annotated_probabilities=np.eye(4, dtype=np.float32)[[0]],
        membership=np.hstack([TREE, np.eye(4, dtype=bool)]),
        node_names=("", "", "", "tennis", "squash", "rowing", "sailing"),
        digests=None,
    )
    assert UntouchedBranches(view, beliefs).phrase(1) == "no rowing labelled yet"
    # What is said follows what is shown beside it.
    assert UntouchedBranches(view, beliefs[:, ::-1]).phrase(1) == "no squash labelled yet"
