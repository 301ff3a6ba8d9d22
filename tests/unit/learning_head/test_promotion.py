from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.learning.promotion import Candidate, decide

pytestmark = pytest.mark.unit


def candidate(version: str, right: int, photos: int = 40) -> Candidate:
    return Candidate(version, (np.arange(photos) < right).astype(float))


def test_the_better_head_serves_and_says_by_how_much() -> None:
    decision = decide(candidate("v1", 30), [candidate("v2", 34)])
    assert decision.serves == "v2"
    assert decision.changed
    assert decision.verdicts[0].sentence == ("v2 serves from now on: 0.850 on 40 evaluation photos, 0.100 more than v1")
    loser = decision.verdicts[1]
    assert (loser.version, loser.better, loser.worse) == ("v1", 0, 4)
    assert loser.behind == pytest.approx(0.1)
    assert loser.p_value == pytest.approx(2 * 0.5**4)


def test_a_worse_head_never_serves() -> None:
    decision = decide(candidate("v1", 30), [candidate("v2", 29)])
    assert decision.serves == "v1"
    assert not decision.changed
    assert "v2 is not promoted: 0.725, 0.025 less than v1" in decision.verdicts[1].sentence


def test_a_tie_keeps_what_serves() -> None:
    decision = decide(candidate("v1", 30), [candidate("v2", 30)])
    assert decision.serves == "v1"
    assert "ties with v1" in decision.verdicts[1].sentence


def test_too_few_photos_keep_what_serves() -> None:
    decision = decide(candidate("v1", 1, 19), [candidate("v2", 19, 19)])
    assert decision.serves == "v1"
    assert "at least 20 are needed" in decision.verdicts[1].sentence
    assert decide(candidate("v1", 1, 20), [candidate("v2", 20, 20)]).serves == "v2"


def test_of_several_the_best_serves() -> None:
    decision = decide(candidate("v1", 30), [candidate("v2", 33), candidate("v3", 36), candidate("v4", 36)])
    assert decision.serves == "v3"
    assert [verdict.version for verdict in decision.verdicts] == ["v3", "v1", "v2", "v4"]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6))
def test_who_serves_is_never_worse_than_who_served(rights: list[int]) -> None:
    candidates = [candidate(f"v{index}", right, 30) for index, right in enumerate(rights)]
    decision = decide(candidates[0], candidates[1:])
    scores = {entry.version: entry.mean for entry in candidates}
    assert scores[decision.serves] == max(scores.values())
    assert decision.changed == (scores["v0"] < max(scores.values()))
    assert len(decision.verdicts) == len(candidates)


def test_refuses_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="same photos"):
        decide(candidate("v1", 3, 30), [candidate("v2", 3, 31)])
    with pytest.raises(ValueError, match="same version"):
        decide(candidate("v1", 3), [candidate("v1", 4)])
