from __future__ import annotations

import pytest

from backend.labels import parse_label_config
from backend.labels.usage import describe_usage
from tests.unit.labels.configs import choices_xml

pytestmark = pytest.mark.unit


def test_one_control_is_one_sentence() -> None:
    assert describe_usage(parse_label_config(choices_xml(["a", "b"]))) == [
        'The photo is $image; the order follows <Choices name="kind"> (2 labels, one for each photo).'
    ]


def test_a_second_control_and_the_other_image_of_a_pair_are_told() -> None:
    xml = choices_xml(["a", "b"]).replace(
        "</View>",
        '<Choices name="place" toName="image" choice="multiple"><Choice value="indoor"/></Choices>'
        '<Image name="after" value="$after"/>'
        '<Choices name="changed" toName="after"><Choice value="yes"/><Choice value="no"/></Choices></View>',
    )
    _, second, other = describe_usage(parse_label_config(xml))
    assert second == (
        "Suggested too, as soon as WordNet or annotations tell something of it: "
        '<Choices name="place"> (1 label, several for a photo).'
    )
    assert other.startswith("Not used: <choices name='changed'> is about $after")
