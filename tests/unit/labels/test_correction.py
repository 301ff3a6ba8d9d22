from __future__ import annotations

import pytest

from backend.labels.correction import correction_obstacles
from tests.unit.labels.configs import choices_xml
from tests.unit.labels.test_shipped_configs import CONFIGS

pytestmark = pytest.mark.unit

NESTED = '<Choice value="Racket"><Choice value="Tennis"/></Choice>'


def _with_control(control: str) -> str:
    return f'<View><Image name="image" value="$image"/>{control}</View>'


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configs_have_none(path) -> None:
    assert correction_obstacles(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("control", "words"),
    [
        (f'<Taxonomy name="sport" toName="image" maxUsages="1">{NESTED}</Taxonomy>', "every other box dead"),
        (f'<Taxonomy name="sport" toName="image">{NESTED}</Taxonomy>', "leaves a wrong suggestion beside it"),
        (f'<Choices name="sport" toName="image">{NESTED}</Choices>', "neither shown nor preselected"),
        (f'<Choices name="sport" toName="image" allowNested="true">{NESTED}</Choices>', "drops predictions"),
    ],
)
def test_what_stands_in_the_way_is_told_with_the_fix(control: str, words: str) -> None:
    (obstacle,) = correction_obstacles(_with_control(control))
    assert 'name="sport"' in obstacle.control
    assert words in obstacle.what
    assert '<Choices choice="single">' in obstacle.fix


def test_flat_choices_and_controls_of_regions_are_no_obstacle() -> None:
    region = f'<Taxonomy name="part" toName="image" perRegion="true" maxUsages="1">{NESTED}</Taxonomy>'
    xml = choices_xml(["Tennis", "Golf"]).replace("</View>", region + "</View>")
    assert correction_obstacles(xml) == []
