from __future__ import annotations

import numpy as np
import pytest

from backend.priority.reasons import reason

pytestmark = pytest.mark.unit

NAMES = ("tennis", "badminton", "rowing")
TORN = np.array([0.5, 0.45, 0.05], dtype=np.float32)


def test_all_grounds_in_one_sentence() -> None:
    said = reason({"novelty": 1.0, "uncertainty": 0.9}, TORN, NAMES, untouched="racket sport")
    assert said == "unlike anything labelled; nothing yet under racket sport; model torn between tennis and badminton"


@pytest.mark.parametrize(
    ("components", "probabilities", "said"),
    [
        ({"uncertainty": 0.9}, TORN, "model torn between tennis and badminton"),
        ({"uncertainty": 1.0}, np.full(3, 1 / 3, np.float32), "the model has no idea what it is"),
        ({"uncertainty": 1.0}, np.ones(1, np.float32), "the model is unsure"),
        ({"typicality": 0.8}, TORN, "stands for many photos like it"),
        ({"unknown": 0.9}, TORN, "unlike what the backbone was trained on"),
        ({"relevance": 0.2}, TORN, "probably not relevant (20%)"),
        ({}, np.array([0.1, 0.1, 0.8], np.float32), "looks like rowing, to be confirmed"),
        ({}, np.zeros(0, np.float32), "nothing known of it yet"),
    ],
)
def test_each_ground(components: dict[str, float], probabilities: np.ndarray, said: str) -> None:
    assert reason(components, probabilities, NAMES) == said


def test_evaluation_says_so_and_labels_without_names_are_numbered() -> None:
    assert "random sample" in reason({"novelty": 1.0}, TORN, NAMES, evaluation=True)
    assert reason({"uncertainty": 0.9}, TORN, ()) == "model torn between label 0 and label 1"
