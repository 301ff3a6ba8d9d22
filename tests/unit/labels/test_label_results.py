from __future__ import annotations

import logging
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.label_interface import LabelInterface
from label_studio_sdk.label_interface.objects import PredictionValue

from backend.labels import Control, parse_label_config
from tests.unit.labels.configs import choices, choices_xml, taxonomy

pytestmark = pytest.mark.unit

NAMES = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="$"), min_size=1, max_size=12)
TREE = st.recursive(
    st.none(),
    lambda below: st.dictionaries(NAMES, below, min_size=1, max_size=3),
    max_leaves=12,
).filter(lambda tree: tree is not None)

RACKETS = (
    '<Choice value="Racket"><Choice value="Tennis"/><Choice value="Squash"/></Choice>'
    '<Choice value="Ball"><Choice value="Golf"/><Choice value="Polo"/><Choice value="Squash"/></Choice>'
)


def tree_xml(tree: dict[str, object] | None) -> str:
    if tree is None:
        return ""
    return "".join(f"<Choice value={quoteattr(name)}>{tree_xml(below)}</Choice>" for name, below in tree.items())  # type: ignore[arg-type]


def assert_reads_back(control: Control, index: int, score: float) -> None:
    item = control.result([index], score)
    assert item["score"] == score
    assert control.read([item]) == (index,)
    target = control.targets([item])
    assert target is not None
    np.testing.assert_array_equal(target, np.eye(len(control.labels), dtype=np.float32)[index])


@given(st.lists(NAMES, min_size=1, max_size=8, unique=True), st.data())
def test_choices_read_back_what_they_write(names: list[str], data: st.DataObject) -> None:
    control = choices(names)
    index = data.draw(st.integers(0, len(names) - 1))
    assert_reads_back(control, index, data.draw(st.floats(0, 1)))
    several = choices(names, 'choice="multiple"')
    chosen = tuple(sorted(data.draw(st.sets(st.integers(0, len(names) - 1), min_size=1))))
    assert several.read([several.result(chosen, 1.0)]) == chosen


@given(TREE, st.data())
def test_taxonomies_of_any_shape_read_back_what_they_write(tree: dict[str, object], data: st.DataObject) -> None:
    control = taxonomy(tree_xml(tree))
    index = data.draw(st.integers(0, len(control.labels) - 1))
    assert_reads_back(control, index, 0.25)
    inner = control.labels[index].path[:1]
    item = control.result([index], 0.25) | {"value": {"taxonomy": [list(inner)]}}
    read = control.read([item])
    assert read is not None
    assert all(control.labels[label].path[:1] == inner for label in read)
    target = control.targets([item])
    assert target is not None
    assert target.sum() == pytest.approx(1.0)


def test_an_inner_node_spreads_over_its_leaves() -> None:
    control = taxonomy(RACKETS)
    item = {"from_name": "kind", "to_name": "image", "type": "taxonomy", "value": {"taxonomy": [["Racket"]]}}
    assert control.read([item]) == (0, 1)
    np.testing.assert_allclose(control.targets([item]), [0.5, 0.5, 0, 0, 0])
    both = item | {"value": {"taxonomy": [["Racket"], ["Ball", "Golf"]]}}
    np.testing.assert_allclose(control.targets([both]), [0.25, 0.25, 0.5, 0, 0])
    several = taxonomy(RACKETS, "")
    np.testing.assert_allclose(several.targets([both]), [0.5, 0.5, 1, 0, 0])


def test_unknown_labels_are_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    control = choices(["a", "b"], 'choice="multiple"')
    item = {"from_name": "kind", "to_name": "image", "type": "choices", "value": {"choices": ["a", "gone"]}}
    with caplog.at_level(logging.WARNING):
        assert control.read([item]) == (0,)
    assert "gone" in caplog.text
    assert control.read([item | {"value": {"choices": ["gone"]}}]) is None
    assert control.read([item | {"value": {"choices": []}}]) == ()
    assert control.read([item | {"from_name": "else"}]) is None
    assert control.read([]) is None


@pytest.mark.parametrize(
    "value", [None, 3, {"choices": None}, {"choices": 3}, {"choices": [None, 4, []]}, {"other": ["a"]}]
)
def test_odd_values_do_not_stop_the_reading(value: object) -> None:
    item = {"from_name": "kind", "to_name": "image", "type": "choices", "value": value}
    assert choices(["a"]).read([item]) in (None, ())


def test_wrong_calls_are_refused() -> None:
    control = choices(["a", "b"])
    with pytest.raises(ValueError, match="exactly one"):
        control.result([0, 1], 0.5)
    with pytest.raises(ValueError, match="out of range"):
        control.result([2], 0.5)
    with pytest.raises(ValueError, match="score"):
        control.result([0], float("nan"))


@pytest.mark.parametrize(
    "xml",
    [
        choices_xml(["tennis", "golf"]),
        choices_xml(["tennis", "golf"], 'choice="multiple"'),
        f'<View><Image name="i" value="$x"/><Taxonomy name="t" toName="i">{RACKETS}</Taxonomy></View>',
    ],
)
def test_label_studios_own_sdk_accepts_the_results(xml: str) -> None:
    control = parse_label_config(xml).controls[0]
    interface = LabelInterface(xml)
    interface.validate()
    for index in range(len(control.labels)):
        prediction = PredictionValue(result=[control.result([index], 0.5) | {"id": "r"}], score=0.5, model_version="v")
        assert interface.validate_prediction(prediction.model_dump())
