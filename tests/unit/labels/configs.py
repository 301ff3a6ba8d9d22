"""Small label configs for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from backend.labels import Control, parse_label_config


def choices_xml(names: Sequence[str], attributes: str = "") -> str:
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in names)
    return (
        f'<View><Image name="image" value="$image"/>'
        f'<Choices name="kind" toName="image" {attributes}>{choices}</Choices></View>'
    )


def choices(names: Sequence[str], attributes: str = "") -> Control:
    return parse_label_config(choices_xml(names, attributes)).controls[0]


def taxonomy(inner: str, attributes: str = 'maxUsages="1"') -> Control:
    xml = (
        f'<View><Image name="image" value="$image"/>'
        f'<Taxonomy name="kind" toName="image" {attributes}>{inner}</Taxonomy></View>'
    )
    return parse_label_config(xml).controls[0]
