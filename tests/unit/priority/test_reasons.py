from __future__ import annotations

import numpy as np
import pytest

from backend.priority.reasons import reason

pytestmark = pytest.mark.unit

NAMES = ("tennis", "badminton", "rowing")
TORN = np.array([0.5, 0.45, 0.05], dtype=np.float32)
SURE = np.array([0.05, 0.05, 0.9], dtype=np.float32)


def test_all_grounds_in_one_sentence() -> None:
    said = reason(
        {"novelty": 1.0, "uncertainty": 0.9}, TORN, NAMES, untouched="nothing labelled under racket sport yet"
    )
    assert said == ("unlike anything labelled; nothing labelled under racket sport yet; could be tennis or badminton")


@pytest.mark.parametrize(
    ("components", "shown", "said"),
    [
        ({"uncertainty": 0.9}, TORN, "could be tennis or badminton"),
        ({"uncertainty": 1.0}, np.full(3, 1 / 3, np.float32), "nothing speaks for any label yet"),
        ({"uncertainty": 1.0}, np.ones(1, np.float32), "unsure whether it holds"),
        ({"typicality": 0.8}, TORN, "stands for many photos like it"),
        ({"unknown": 0.9}, TORN, "unlike the pictures that the network was trained on"),
        ({"relevance": 0.2}, TORN, "probably not relevant (80% sure)"),
        ({}, SURE, "looks like rowing, to be confirmed"),
        ({}, np.full(3, 1 / 3, np.float32), "nothing known of it yet"),
        ({}, np.zeros(0, np.float32), "nothing known of it yet"),
    ],
)
def test_each_ground(components: dict[str, float], shown: np.ndarray, said: str) -> None:
    assert reason(components, shown, NAMES) == said


def test_before_the_first_label_nothing_is_unlike_those_labelled() -> None:
    components = {"novelty": 1.0, "uncertainty": 0.9, "typicality": 0.6}
    said = reason(components, TORN, NAMES, anything_labelled=False, untouched="no tennis labelled yet")
    assert said == "could be tennis or badminton; stands for many photos like it"


def test_doubt_is_about_the_label_that_is_suggested() -> None:
    # The order may be unsure of a photo that the suggestion is sure of: people see the suggestion.
    assert reason({"uncertainty": 0.9}, SURE, NAMES) == "looks like rowing, to be confirmed"
    said = reason({"uncertainty": 0.9}, SURE, NAMES, believed=TORN)
    assert said == "the model says rowing, photos like it tennis"
    assert reason({"uncertainty": 0.9}, SURE, NAMES, believed=SURE) == "looks like rowing, to be confirmed"


def test_of_two_labels_that_are_as_likely_as_each_other_neither_is_claimed() -> None:
    tied = np.array([0.4, 0.4, 0.2], dtype=np.float32)
    for believed in (None, tied, tied[[1, 0, 2]] + np.array([0.0, 0.1, 0.0], dtype=np.float32)):
        said = reason({"uncertainty": 0.9}, tied, NAMES, believed=believed)
        assert said == "as likely tennis as badminton"
    assert reason({}, tied, NAMES) == "as likely tennis as badminton"


def test_a_faint_best_of_many_labels_is_no_suggestion_to_doubt() -> None:
    faint = np.full(40, 1 / 40, np.float32)
    faint[3] = 0.03
    assert reason({"uncertainty": 1.0}, faint, ()) == "nothing speaks for any label yet"
    clear = np.full(40, 0.5 / 39, np.float32)
    clear[3] = 0.5
    assert reason({"uncertainty": 0.7}, clear, ()) == "could be label 3 or label 39"


def test_evaluation_says_so_and_labels_without_names_are_numbered() -> None:
    assert "random sample" in reason({"novelty": 1.0}, TORN, NAMES, evaluation=True)
    assert reason({"uncertainty": 0.9}, TORN, ()) == "could be label 0 or label 1"


@pytest.mark.parametrize(
    ("components", "shown", "said"),
    [
        ({"uncertainty": 0.9}, [0.9, 0.55, 0.3], "unsure about badminton and rowing"),
        ({"uncertainty": 0.9}, [0.97, 0.97, 0.35], "unsure about rowing"),
        ({"typicality": 0.8, "uncertainty": 0.9}, [0.97, 0.97, 0.1], "stands for many photos like it"),
        ({}, [0.97, 0.97, 0.05], "looks like tennis, to be confirmed"),
        ({}, [0.1, 0.1, 0.05], "none of the labels seems to hold, to be confirmed"),
    ],
)
def test_where_several_labels_may_hold_doubt_is_of_each_of_them(
    components: dict[str, float], shown: list[float], said: str
) -> None:
    believed = np.array(shown[::-1], dtype=np.float32)
    assert reason(components, np.array(shown, dtype=np.float32), NAMES, believed=believed, several=True) == said
