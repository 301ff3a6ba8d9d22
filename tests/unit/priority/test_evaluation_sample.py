from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.priority.evaluation_sample import evaluation_mask, interleave, sample_position

pytestmark = pytest.mark.unit

DIGESTS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]


def test_about_the_share_is_held_out_and_larger_shares_hold_the_smaller() -> None:
    tenth, fifth = evaluation_mask(DIGESTS, 0.1), evaluation_mask(DIGESTS, 0.2)
    assert tenth.mean() == pytest.approx(0.1, abs=0.01)
    assert fifth.mean() == pytest.approx(0.2, abs=0.01)
    assert not (tenth & ~fifth).any()
    assert not evaluation_mask(DIGESTS, 0.0).any()


def test_membership_depends_on_the_digest_alone() -> None:
    mask = evaluation_mask(DIGESTS[:50], 0.3)
    assert evaluation_mask(DIGESTS[:50][::-1], 0.3)[::-1].tolist() == mask.tolist()
    assert sample_position(["a"])[0] == sample_position(["b", "a"])[1]
    # A fixed value: the sample must not change with a release, or what was measured becomes training data.
    expected = int.from_bytes(hashlib.blake2b(b"evaluation:a", digest_size=8).digest(), "big") / 2**64
    assert sample_position(["a"])[0] == expected


@given(training=st.integers(0, 60), evaluation=st.integers(0, 20), share=st.sampled_from([0.05, 0.1, 0.25, 0.5]))
def test_interleaving_loses_nothing_keeps_both_orders_and_is_even(training: int, evaluation: int, share: float) -> None:
    first, second = np.arange(training), 1000 + np.arange(evaluation)
    rows, is_evaluation = interleave(first, second, share)
    assert rows[~is_evaluation].tolist() == first.tolist()
    assert rows[is_evaluation].tolist() == second.tolist()
    both = min(int(evaluation / share), int(training / (1 - share)))
    for end in range(1, both):
        assert abs(is_evaluation[:end].sum() - share * end) <= 1.0


def test_one_in_ten_is_the_fifth_of_each_ten() -> None:
    _, is_evaluation = interleave(np.arange(90), np.arange(100, 110), 0.1)
    assert (
        np.flatnonzero(is_evaluation).tolist() == list(range(4, 100, 10))
        or is_evaluation.reshape(10, 10).sum(axis=1).tolist() == [1] * 10
    )


def answer_one_by_one(share: float, answers: int, *, passed_over: tuple[int, ...] = ()) -> list[bool]:
    """Whether each answer was of the evaluation sample, where every answer brings a new order and its head is taken."""
    training, evaluation = list(range(1000)), list(range(1000, 1400))
    given: list[bool] = []
    while len(given) < answers:
        rows, is_evaluation = interleave(
            np.array(training), np.array(evaluation), share, answered=len(given), evaluated=sum(given)
        )
        head = 1 if len(given) in passed_over else 0
        given.append(bool(is_evaluation[head]))
        (evaluation if given[-1] else training).remove(int(rows[head]))
    return given


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.5])
def test_who_always_takes_the_head_of_the_newest_order_gives_the_share(share: float) -> None:
    given = answer_one_by_one(share, 200)
    for end in range(1, 201):
        assert abs(sum(given[:end]) - share * end) <= 1.0


def test_one_that_was_passed_over_comes_at_once() -> None:
    given = answer_one_by_one(0.1, 12, passed_over=(5,))
    assert np.flatnonzero(given).tolist() == [6]


def test_after_an_import_every_other_answer_makes_up_for_what_is_missing_until_there_are_enough() -> None:
    training, evaluation = np.arange(500), np.arange(1000, 1200)
    heads = [
        bool(interleave(training, evaluation, 0.1, answered=1000 + number, evaluated=3)[1][0]) for number in range(6)
    ]
    assert heads == [True, False, True, False, True, True]
    _, enough = interleave(training, evaluation, 0.1, answered=1000, evaluated=20)
    assert np.flatnonzero(enough[:30]).tolist() == [5, 15, 25]


@given(
    training=st.integers(0, 60),
    evaluation=st.integers(0, 40),
    share=st.sampled_from([0.01, 0.05, 0.1, 0.3, 0.5]),
    answered=st.integers(0, 2000),
    evaluated=st.integers(0, 60),
)
def test_both_orders_are_kept_wherever_the_project_stands(
    training: int, evaluation: int, share: float, answered: int, evaluated: int
) -> None:
    first, second = np.arange(training), 1000 + np.arange(evaluation)
    rows, is_evaluation = interleave(first, second, share, answered=answered, evaluated=evaluated)
    assert rows[~is_evaluation].tolist() == first.tolist()
    assert rows[is_evaluation].tolist() == second.tolist()


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("each", [1, 3])
def test_a_photo_that_somebody_holds_for_hours_keeps_none_of_the_others(share: float, each: int) -> None:
    training, evaluation = list(range(1000)), list(range(1000, 1400))
    held = set(evaluation[:3])
    given: list[bool] = []
    while len(given) < 120:
        rows, is_evaluation = interleave(
            np.array(training), np.array(evaluation), share, answered=len(given), evaluated=sum(given)
        )
        free = [place for place in range(rows.size) if int(rows[place]) not in held]
        for place in free[:each]:
            given.append(bool(is_evaluation[place]))
            (evaluation if given[-1] else training).remove(int(rows[place]))
    # Those that are held count as missing, and no more than those.
    assert share * 120 - 5 <= sum(given) <= share * 120 + 1


def test_many_that_are_too_many_are_not_waited_for() -> None:
    training, evaluation = np.arange(500), np.arange(1000, 1200)
    _, is_evaluation = interleave(training, evaluation, 0.1, answered=1000, evaluated=130)
    assert np.flatnonzero(is_evaluation[:30]).tolist() == [5, 15, 25]
    _, is_evaluation = interleave(training, evaluation, 0.1, answered=1000, evaluated=103)
    assert np.flatnonzero(is_evaluation[:50]).tolist() == [35, 45]


def test_two_who_answer_at_the_same_time_make_up_for_what_is_missing_with_every_other_answer() -> None:
    training, evaluation = np.arange(500), np.arange(1000, 1200)
    for answered in (1000, 1001):
        _, is_evaluation = interleave(training, evaluation, 0.1, answered=answered, evaluated=3)
        assert is_evaluation[:34].sum() == 17
        assert is_evaluation[34:134].sum() == pytest.approx(10, abs=1)
