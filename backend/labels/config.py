"""Label Studio's label config: which image controls it has and which labels they give."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import quoteattr

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from backend.errors import ImageError, LabelConfigError
from backend.labels.controls import CONTROLS, Choice, Control, ControlHandler
from backend.labels.controls.label import Group, build_labels, make_choice

logger = logging.getLogger(__name__)

UNDEFINED_KEY = "$undefined$"  # Label Studio's own key for files imported before the project had a config
MAX_DEPTH = 100
_VARIABLE = re.compile(r"\$([\w.\[\]-]+)")


@dataclass(frozen=True)
class LabelConfig:
    """The controls of a label config that classify whole images.

    Attributes:
        controls: in document order, never empty; all of one image.
        left_out: what other controls there are, each with the reason why it is not used.
    """

    controls: tuple[Control, ...]
    left_out: tuple[str, ...] = ()

    @property
    def data_key(self) -> str:
        """The key of the task data that names the photo."""
        return self.controls[0].data_key

    def image_key(self, task_data: Mapping[str, Any]) -> str:
        """The key of `task_data` that holds the image to classify.

        Raises:
            ImageError: the task has none of the keys that the config names.
        """
        for key in (self.data_key, UNDEFINED_KEY):
            if task_data.get(key):
                return key
        raise ImageError(
            f"the task's data has no {self.data_key!r}, which the label config names as the image; it has: "
            f"{', '.join(sorted(map(str, task_data))) or 'nothing'}",
            reason="no_image",
        )

    @property
    def dynamic_keys(self) -> tuple[str, ...]:
        """The keys of task data that labels are taken from (`value="$key"`), each once."""
        return tuple(dict.fromkeys(control.dynamic_key for control in self.controls if control.dynamic_key))

    def with_task(self, task_data: Mapping[str, Any]) -> LabelConfig:
        """The config with the labels that a dynamic `value="$key"` takes from this task's data."""
        controls = tuple(
            control.with_options(task_data.get(control.dynamic_key)) if control.dynamic_key else control
            for control in self.controls
        )
        return self if controls == self.controls else replace(self, controls=controls)


def flat_config(labels: Sequence[str]) -> str:
    """The XML of a config with one choice for each label, for those who have names only."""
    choices = "".join(f"<Choice value={quoteattr(label)}/>" for label in labels)
    return f'<View><Image name="image" value="$image"/><Choices name="class" toName="image">{choices}</Choices></View>'


def parse_label_config(xml: str) -> LabelConfig:
    """Read a label config.

    Taken are Choices and Taxonomy tags whose `toName` is an Image; those for regions or for other data are left
    out, and of several images all but that of the first such tag: one photo of each task is looked at. Tag and attribute names are matched without regard to case, as Label Studio does.

    Raises:
        LabelConfigError: not XML, with a DOCTYPE, nested too deeply, or without any control that classifies images.
    """
    root = parse_config_xml(xml)
    images = _image_keys(root)
    controls: list[Control] = []
    faults: list[str] = []
    for element in root.iter():
        handler = CONTROLS.get(element_tag(element))
        if handler is None:
            continue
        try:
            controls.append(_control(element, handler, images))
        except LabelConfigError as error:
            faults.append(str(error))
    if not controls:
        detail = "; ".join(faults) or f"it has neither a Choices nor a Taxonomy tag{_only(root)}"
        raise LabelConfigError(
            f"The label config has nothing that classifies images: {detail}. "
            'Add for example <Image name="image" value="$image"/> and '
            '<Choices name="label" toName="image"><Choice value="…"/></Choices>.',
            reason="no_image_choice",
        )
    photo = controls[0]
    for other in controls:
        if other.data_key != photo.data_key:
            faults.append(
                f"<{other.handler.kind} name={other.from_name!r}> is about ${other.data_key}: of each task only "
                f"${photo.data_key} is looked at, the image of {photo.from_name!r}"
            )
    for fault in faults:
        logger.info("label config: %s", fault)
    names = [control.from_name for control in controls]
    for name in names:
        if names.count(name) > 1:
            raise LabelConfigError(f'Two control tags are named "{name}": give each its own name.')
    return LabelConfig(tuple(item for item in controls if item.data_key == photo.data_key), tuple(faults))


def _only(root: Element) -> str:
    """What control tags it has instead, in words; empty where there are none."""
    tags = dict.fromkeys(str(item.tag) for item in root.iter() if {"name", "toname"} <= element_attributes(item).keys())
    return f", only {', '.join(f'<{tag}>' for tag in tags)}" if tags else ""


def parse_config_xml(xml: str) -> Element:
    """The tags of a label config, whatever they are.

    Raises:
        LabelConfigError: not XML, with a DOCTYPE, or nested too deeply.
    """
    try:
        root = cast(Element, fromstring(xml.strip(), forbid_dtd=True))
    except DefusedXmlException:
        raise LabelConfigError(
            "The label config has a DOCTYPE or entity declaration, which is not allowed: remove it.",
            reason="unsafe_xml",
        ) from None
    except (ParseError, ValueError) as error:
        raise LabelConfigError(
            f"The label config is not valid XML ({error}): mend it in the project's Labeling Interface settings.",
            reason="malformed_xml",
        ) from None
    level, depth = [root], 1
    while level := [child for element in level for child in element]:
        depth += 1
        if depth > MAX_DEPTH:
            raise LabelConfigError(f"The label config is nested deeper than {MAX_DEPTH} tags.", reason="too_deep")
    return root


def _image_keys(root: Element) -> dict[str, str]:
    """{name of an Image tag: key of its image in the task data}."""
    keys: dict[str, str] = {}
    for element in root.iter():
        attributes = element_attributes(element)
        name, variable = attributes.get("name", ""), _variable(attributes.get("value", ""))
        if element_tag(element) == "image" and name and variable:
            keys[name] = variable
    return keys


def _control(element: Element, handler: ControlHandler, images: Mapping[str, str]) -> Control:
    attributes = element_attributes(element)
    name, to_name = attributes.get("name", ""), attributes.get("toname", "")
    what = f"<{element.tag} name={name!r}>"
    if not name:
        raise LabelConfigError(f"a <{element.tag}> tag has no name")
    if to_name not in images:
        raise LabelConfigError(f"{what} has toName={to_name!r}, which is no Image tag with a value such as $image")
    for attribute in ("perregion", "peritem"):
        if is_true(attributes.get(attribute)):
            raise LabelConfigError(f"{what} is for single regions or items ({attribute}), not for whole images")
    if attributes.get("apiurl"):
        raise LabelConfigError(f"{what} loads its choices from apiUrl: write them into the config instead")
    labels = build_labels(_choices(element), handler.value_of)
    dynamic = _variable(attributes.get("value", ""))
    if not labels and dynamic is None:
        raise LabelConfigError(f"{what} has no Choice: add some, or a value such as $options")
    nested = is_true(attributes.get("allownested"))
    if handler.kind == "choices" and not nested and any(len(label.path) > 1 for label in labels):
        logger.warning('%s: Label Studio shows the choices inside others only with allowNested="true"', what)
    return Control(
        from_name=name,
        to_name=to_name,
        kind=handler.kind,
        data_key=images[to_name],
        multiple=handler.is_multiple(attributes),
        labels=labels,
        dynamic_key=dynamic,
        nested=nested,
    )


def _choices(element: Element) -> list[Choice | Group]:
    """The choices below `element`; tags such as View only lay them out, unless a Header makes them a group."""
    found: list[Choice | Group] = []
    for child in element:
        if element_tag(child) != "choice":
            inside, heading = _choices(child), _heading(child)
            found.extend([Group(heading, tuple(inside))] if heading and inside else inside)
            continue
        attributes = element_attributes(child)
        value = attributes.get("value") or attributes.get("alias") or ""
        if not value:
            raise LabelConfigError(f"a <Choice> inside <{element.tag}> has no value")
        found.append(
            make_choice(
                value,
                alias=attributes.get("alias"),
                synset=attributes.get("synset") or attributes.get("synsets"),
                relevant=attributes.get("relevant"),
                children=tuple(_choices(child)),
            )
        )
    return found


def _heading(element: Element) -> str | None:
    """The text of a View's first Header, where that is fixed: people read it as the name of what stands below."""
    headers = [child for child in element if element_tag(child) == "header"] if element_tag(element) == "view" else []
    text = element_attributes(headers[0]).get("value", "").strip() if headers else ""
    return text if text and _variable(text) is None else None


def element_tag(element: Element) -> str:
    """The name of a tag in lower case, as Label Studio matches it; empty for a comment."""
    return element.tag.lower() if isinstance(element.tag, str) else ""


def element_attributes(element: Element) -> dict[str, str]:
    """The attributes of a tag by their names in lower case."""
    return {name.lower(): value for name, value in element.attrib.items()}


def _variable(value: str) -> str | None:
    match = _VARIABLE.search(value)
    return match.group(1) if match else None


def is_true(value: str | None) -> bool:
    """Whether an attribute says true."""
    return value is not None and value.strip().lower() == "true"
