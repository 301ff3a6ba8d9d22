"""Label configs in which a wrong suggestion stands in the way of the right answer, as Label Studio's screen treats them."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backend.labels.config import element_attributes, element_tag, is_true, parse_config_xml, parse_label_config

REPLACEABLE = (
    'Use <Choices choice="single">, where one click or key replaces the suggestion; a <View> with a <Header> shows a '
    "branch of the hierarchy, as in label_config.xml."
)


@dataclass(frozen=True)
class Obstacle:
    """What makes correcting a suggestion more than one action: in which control, what happens, what to do."""

    control: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.control}: {self.what}. {self.fix}"


def correction_obstacles(xml: str) -> list[Obstacle]:
    """The controls of a label config where a wrong suggestion is not replaced by one click or key, in document order.

    Raises:
        LabelConfigError: the config cannot be read.
    """
    found: list[Obstacle] = []
    used = {control.from_name for control in parse_label_config(xml).controls}
    for element in parse_config_xml(xml).iter():
        tag = element_tag(element)
        attributes = element_attributes(element)
        if tag not in ("taxonomy", "choices") or attributes.get("name") not in used:
            continue
        name = f'<{element.tag} name="{attributes.get("name", "")}">'
        if tag == "taxonomy":
            found.append(_of_taxonomy(name, attributes.get("maxusages", "").strip()))
        elif any(_has_choices(choice) for choice in element.iter() if element_tag(choice) == "choice"):
            found.append(_of_nested_choices(name, is_true(attributes.get("allownested"))))
    return found


def _of_taxonomy(name: str, most: str) -> Obstacle:
    if most == "1":
        what = 'with maxUsages="1" a suggestion leaves every other box dead until its small × is pressed'
    else:
        what = "choosing the right label leaves a wrong suggestion beside it until its small × is pressed"
    return Obstacle(name, what, REPLACEABLE)


def _of_nested_choices(name: str, allowed: bool) -> Obstacle:
    if allowed:
        what = "Label Studio drops predictions of nested choices when they are imported, so no suggestion is shown"
    else:
        what = 'without allowNested="true" the choices inside others are neither shown nor preselected'
    return Obstacle(name, what, REPLACEABLE)


def _has_choices(choice: Element) -> bool:
    return any(element_tag(inner) == "choice" for inner in choice.iter() if inner is not choice)
