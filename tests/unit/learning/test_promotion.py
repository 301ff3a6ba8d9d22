from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from backend.learning.promotion import MAX_JUDGED, Disagreement, Outcome

pytestmark = pytest.mark.unit

OPEN = Disagreement("head-3", "propagation", unlabelled=1000, differing=50)


@pytest.mark.parametrize(
    ("better", "worse", "outcome"),
    [
        (0, 0, Outcome.ASK),
        (3, 0, Outcome.ASK),
        (4, 0, Outcome.PROMOTE),
        (0, 1, Outcome.ASK),
        (0, 2, Outcome.KEEP),
        (5, 2, Outcome.ASK),
        (9, 2, Outcome.PROMOTE),
        (10, 10, Outcome.KEEP),
    ],
)
def test_a_handful_decides(better: int, worse: int, outcome: Outcome) -> None:
    assert replace(OPEN, better=better, worse=worse).outcome() is outcome


def test_it_ends() -> None:
    for better, worse in product(range(MAX_JUDGED + 1), repeat=2):
        neither = max(0, MAX_JUDGED - better - worse)
        assert replace(OPEN, better=better, worse=worse, neither=neither).outcome() is not Outcome.ASK


def test_a_worse_candidate_is_rarely_promoted_and_a_better_one_mostly() -> None:
    rng = np.random.default_rng(0)

    def promoted(share: float) -> float:
        count = 0
        for _ in range(400):
            state = OPEN
            while state.outcome() is Outcome.ASK:
                won = rng.random() < share
                state = replace(state, better=state.better + won, worse=state.worse + (not won))
            count += state.outcome() is Outcome.PROMOTE
        return count / 400

    assert promoted(0.4) < 0.1
    assert promoted(0.3) < 0.03
    assert promoted(0.8) > 0.85


def test_what_differs_nowhere_or_hardly_is_not_asked_about() -> None:
    same = replace(OPEN, differing=0)
    assert same.outcome() is Outcome.KEEP
    assert "on every unlabelled photo" in same.sentence(Outcome.KEEP)
    few = replace(OPEN, differing=4)
    assert few.outcome() is Outcome.KEEP
    assert few.sentence(Outcome.KEEP).endswith("they differ on 4 of 1,000 unlabelled photos, too few to matter")


def test_a_renewed_version_serves_unless_it_is_worse() -> None:
    assert replace(OPEN, differing=0).outcome(renewed=True) is Outcome.PROMOTE
    assert replace(OPEN, better=1, worse=1).outcome(renewed=True) is Outcome.PROMOTE
    assert replace(OPEN, worse=3).outcome(renewed=True) is Outcome.KEEP


def test_the_gain_is_that_of_the_whole_pool() -> None:
    assert OPEN.gain == 0.0
    assert replace(OPEN, better=6, worse=2, neither=2).gain == pytest.approx(0.05 * 0.4)


def test_the_gain_is_unbiased() -> None:
    rng = np.random.default_rng(1)
    serving, candidate, truth = (rng.integers(0, 4, 1000) for _ in range(3))
    differing = np.flatnonzero(serving != candidate)
    true_gain = (candidate == truth).mean() - (serving == truth).mean()
    gains = []
    for _ in range(2000):
        asked = rng.choice(differing, 12, replace=False)
        right, other = candidate[asked] == truth[asked], serving[asked] == truth[asked]
        counts = {"better": int(right.sum()), "worse": int(other.sum()), "neither": int((~right & ~other).sum())}
        gains.append(Disagreement("b", "a", 1000, len(differing), **counts).gain)
    assert np.mean(gains) == pytest.approx(true_gain, abs=0.01)


def test_sentences_say_what_happened() -> None:
    asked = OPEN.sentence(Outcome.ASK)
    assert asked == (
        "head-3 is compared with propagation: they differ on 50 of 1,000 unlabelled photos; some of these are asked first"
    )
    won = replace(OPEN, better=5)
    assert won.sentence(Outcome.PROMOTE) == (
        "head-3 serves from now on instead of propagation: of 5 judged photos on which they differ head-3 alone was right "
        "on 5, propagation alone on 0"
    )
    assert replace(OPEN, worse=5).sentence(Outcome.KEEP).startswith("head-3 is not promoted: of 5 judged photos")
