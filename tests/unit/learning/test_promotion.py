from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.learning.promotion import Candidate, decide

pytestmark = pytest.mark.unit


def candidate(version: str, right: int, photos: int = 40, sample: int | None = None) -> Candidate:
    return Candidate(version, (np.arange(photos) < right).astype(float), sample)


def test_the_better_head_serves_and_says_by_how_much() -> None:
    decision = decide(candidate("v1", 28), [candidate("v2", 35)])
    assert decision.serves == "v2"
    assert decision.changed
    assert decision.verdicts[0].sentence == (
        "v2 serves from now on: 0.875, 0.175 more than v1 on 40 evaluation photos (better on 7, worse on 0, p = 0.016)"
    )
    loser = decision.verdicts[1]
    assert (loser.version, loser.better, loser.worse) == ("v1", 0, 7)
    assert loser.behind == pytest.approx(7 / 40)
    assert loser.p_value == pytest.approx(2 * 0.5**7)
    assert loser.sentence.startswith("v1 no longer serves: 0.700, 0.175 less than v2")


def test_a_worse_head_never_serves() -> None:
    decision = decide(candidate("v1", 30), [candidate("v2", 29)])
    assert decision.serves == "v1"
    assert not decision.changed
    assert "v2 is not promoted: 0.725, 0.025 less than v1" in decision.verdicts[1].sentence


def test_a_tie_keeps_what_serves() -> None:
    decision = decide(candidate("v1", 30), [candidate("v2", 30)])
    assert decision.serves == "v1"
    assert "ties with v1" in decision.verdicts[1].sentence


def test_a_gain_that_may_be_chance_keeps_what_serves() -> None:
    decision = decide(candidate("v1", 30), [candidate("v2", 33)])
    assert decision.serves == "v1"
    assert "0.075 more than v1" in decision.verdicts[1].sentence
    assert "may be chance" in decision.verdicts[1].sentence


def test_with_many_evaluation_photos_any_gain_counts() -> None:
    assert decide(candidate("v1", 150, 200), [candidate("v2", 151, 200)]).serves == "v2"
    assert decide(candidate("v1", 150, 199), [candidate("v2", 151, 199)]).serves == "v1"


def test_too_few_photos_keep_what_serves() -> None:
    decision = decide(candidate("v1", 1, 19), [candidate("v2", 19, 19)])
    assert decision.serves == "v1"
    assert "at least 20 are needed" in decision.verdicts[1].sentence
    assert decide(candidate("v1", 1, 20), [candidate("v2", 20, 20)]).serves == "v2"


def test_cross_validated_photos_count_with_the_evaluation_photos() -> None:
    decision = decide(candidate("v1", 50, 80, sample=10), [candidate("v2", 60, 80, sample=10)])
    assert decision.serves == "v2"
    assert "on 10 evaluation and 70 cross-validated photos" in decision.verdicts[0].sentence


def test_what_loses_on_the_evaluation_photos_never_serves() -> None:
    scores = np.ones(100)
    scores[0] = 0.0  # wrong on one photo of the evaluation sample, right on all the others
    challenger = Candidate("v2", scores, sample=25)
    decision = decide(candidate("v1", 25, 100, sample=25), [challenger])
    assert decision.serves == "v1"
    assert "but less on the evaluation photos" in decision.verdicts[1].sentence


def test_a_version_made_the_same_way_from_more_annotations_need_not_be_better() -> None:
    same = candidate("v2", 30)
    assert decide(candidate("v1", 30), [same], renewed={"v2"}).serves == "v2"
    assert decide(candidate("v1", 31), [same], renewed={"v2"}).serves == "v1"
    assert decide(candidate("v1", 30), [same, candidate("v3", 40)], renewed={"v2"}).serves == "v3"


def test_of_several_the_best_serves() -> None:
    decision = decide(candidate("v1", 26), [candidate("v2", 33), candidate("v3", 36), candidate("v4", 36)])
    assert decision.serves == "v3"
    assert [verdict.version for verdict in decision.verdicts] == ["v3", "v1", "v2", "v4"]


@given(st.lists(st.integers(0, 200), min_size=1, max_size=6))
def test_with_many_photos_the_best_of_all_serves(rights: list[int]) -> None:
    candidates = [candidate(f"v{index}", right, 200) for index, right in enumerate(rights)]
    decision = decide(candidates[0], candidates[1:])
    scores = {entry.version: entry.mean for entry in candidates}
    assert scores[decision.serves] == max(scores.values())
    assert decision.changed == (scores["v0"] < max(scores.values()))
    assert len(decision.verdicts) == len(candidates)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.integers(0, 60))
def test_who_serves_is_never_worse_than_who_served(rights: list[int], sample: int) -> None:
    candidates = [candidate(f"v{index}", right, 60, sample) for index, right in enumerate(rights)]
    decision = decide(candidates[0], candidates[1:], renewed={"v1"})
    chosen = next(entry for entry in candidates if entry.version == decision.serves)
    assert chosen.scores.sum() >= candidates[0].scores.sum()
    if sample >= 20:
        assert chosen.on_sample.sum() >= candidates[0].on_sample.sum()


def test_refuses_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="same photos"):
        decide(candidate("v1", 3, 30), [candidate("v2", 3, 31)])
    with pytest.raises(ValueError, match="same version"):
        decide(candidate("v1", 3), [candidate("v1", 4)])
