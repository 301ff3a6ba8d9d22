from __future__ import annotations

import numpy as np
import pytest

from backend.service.queue.suggestion import pre_annotation, suggestion_text
from tests.unit.labels.configs import choices, taxonomy

pytestmark = pytest.mark.unit

SPORT = choices(["tennis", "squash", "golf", "polo"])
PLACE = choices(["indoor", "outdoor"])
BRANCHES = taxonomy(
    '<Choice value="racket"><Choice value="tennis"/><Choice value="squash"/></Choice><Choice value="golf"/>', ""
)
CONTENTS = choices(["person", "ball", "net"], 'choice="multiple"')


def _row(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_the_likeliest_label_with_the_next_two_candidates() -> None:
    row = _row(0.12, 0.08, 0.47, 0.33)
    (result,) = pre_annotation([SPORT], [row])
    assert result["value"] == {"choices": ["golf"]}
    assert result["score"] == pytest.approx(0.47)
    assert suggestion_text([SPORT], [row]) == "golf 47 %, else polo 33 % or tennis 12 %"


def test_what_is_certain_has_no_candidates() -> None:
    assert suggestion_text([SPORT], [_row(0.997, 0.001, 0.001, 0.001)]) == "tennis 100 %"


@pytest.mark.parametrize("row", [_row(0.5, 0.5), _row(0.5, 0.4999)])
def test_a_control_of_which_nothing_is_known_gets_no_suggestion(row: np.ndarray) -> None:
    assert pre_annotation([PLACE], [row]) == []
    assert suggestion_text([PLACE], [row]) == ""


def test_of_two_controls_the_one_that_is_known_is_suggested() -> None:
    rows = [_row(0.9, 0.1, 0.0, 0.0), _row(0.5, 0.5)]
    (result,) = pre_annotation([SPORT, PLACE], rows)
    assert result["value"] == {"choices": ["tennis"]}
    assert suggestion_text([SPORT, PLACE], rows) == "kind: tennis 90 %, else squash 10 %"


def test_where_several_labels_may_hold_those_that_are_likely_are_suggested() -> None:
    row = _row(0.9, 0.6, 0.3)
    (result,) = pre_annotation([CONTENTS], [row])
    assert result["value"] == {"choices": ["person", "ball"]}
    assert suggestion_text([CONTENTS], [row]) == "person 90 %, ball 60 %, perhaps net 30 %"
    assert pre_annotation([CONTENTS], [_row(0.4, 0.2, 0.1)]) == []


def test_a_taxonomy_gets_its_likeliest_label_sooner_since_it_takes_long_to_find() -> None:
    (result,) = pre_annotation([BRANCHES], [_row(0.2, 0.4, 0.3)])
    assert result["value"] == {"taxonomy": [["racket", "squash"]]}
    (result,) = pre_annotation([BRANCHES], [_row(0.6, 0.3, 0.1)])
    assert result["value"] == {"taxonomy": [["racket", "tennis"]]}
    assert pre_annotation([BRANCHES], [_row(0.2, 0.2, 0.1)]) == []
    assert pre_annotation([BRANCHES], [_row(1 / 3, 1 / 3, 1 / 3)]) == []
