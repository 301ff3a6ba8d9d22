from __future__ import annotations

import numpy as np
import pytest

from backend.learning.label_sets import has_several, label_sets

pytestmark = pytest.mark.unit

TOGETHER = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]], dtype=np.float32)


def test_each_set_that_was_given_is_a_class_and_each_label_that_never_was() -> None:
    sets = label_sets(TOGETHER)
    assert {tuple(row) for row in sets.members.tolist()} == {(1, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)}
    np.testing.assert_array_equal(sets.given @ sets.members, TOGETHER)
    assert sets.sizes.tolist() == [sum(row) for row in sets.members.tolist()]


def test_a_set_is_known_before_any_annotation_as_its_labels_are_on_average() -> None:
    sets = label_sets(TOGETHER)
    (known,) = sets.prior(np.array([[0.6, 0.2, 0.1, 0.1]], dtype=np.float32))
    both = sets.members.tolist().index([1, 1, 0, 0])
    assert known[both] == pytest.approx(0.4, abs=1e-3)


def test_rare_sets_beyond_the_most_are_no_classes() -> None:
    sets = label_sets(TOGETHER, most=1)
    np.testing.assert_array_equal(sets.given.sum(axis=1), [1, 1, 0])


def test_sets_that_come_again_are_trusted_and_free_combinations_are_not() -> None:
    assert label_sets(TOGETHER).weight == 1.0
    pairs = np.array([[i, j] for i in range(6) for j in range(i)])
    free = np.zeros((len(pairs), 6), dtype=np.float32)
    free[np.arange(len(pairs))[:, None], pairs] = 1.0
    assert label_sets(free).weight < 0.1
    # A label that came once made its set new: that says nothing of how labels are combined.
    assert label_sets(np.array([[1, 1, 0], [0, 1, 1]], dtype=np.float32)).weight == 1.0


def test_sets_for_what_does_not_belong_hold_no_other_label() -> None:
    sets = label_sets(np.array([[1, 0, 0], [1, 0, 1], [0, 0, 1]], dtype=np.float32))
    found = sets.only(np.array([False, False, True]))
    assert sets.members[found].tolist() == [[0, 0, 1]]


def test_labels_alone_count_as_often_as_a_photo_is_expected_to_have_any() -> None:
    sets = label_sets(np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]] * 1, dtype=np.float32))
    by_set = np.full((1, len(sets.members)), 1 / len(sets.members), dtype=np.float32)
    (found,) = sets.marginals(by_set, np.array([[0.4, 0.4, 0.2]], dtype=np.float32))
    assert found[0] > 0.5
    assert found[0] == pytest.approx(found[1], abs=1e-5)
    assert found[2] < found[0]


def test_a_branch_is_one_label() -> None:
    assert not has_several(np.array([[1, 0, 0], [0, 0.5, 0.5]], dtype=np.float32))
    assert has_several(np.array([[1, 0, 0], [1, 0, 1]], dtype=np.float32))
    assert has_several(np.array([[1, 0, 0], [0, 0, 0]], dtype=np.float32))
    assert not has_several(np.zeros((0, 3), dtype=np.float32))
