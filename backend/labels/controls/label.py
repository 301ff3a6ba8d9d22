"""Labels, and the tree of choices that they are the leaves of."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

logger = logging.getLogger(__name__)

StoredPath = tuple[str, ...]

_IRRELEVANT_TITLE = re.compile(
    r"(not|non|ir)[\s_-]*relevant|off[\s_-]*topic|out[\s_-]*of[\s_-]*scope|unrelated|other|others|junk|"
    r"none|none of (these|the above)|n/?a|unusable|does ?n[o']t belong"
)


@dataclass(frozen=True)
class Label:
    """One class that a control can give.

    Attributes:
        value: unique within the control. Choices: the string that Label Studio stores (the alias where there is
            one). Taxonomy: the stored path joined by "/" (a "/" inside a name is written "\\/").
        path: the stored names from the topmost choice down to this one.
        title: the name that people see.
        synsets: WordNet ids from the `synset` attribute ("n00445055" or "tennis.n.01"); empty: found by the title.
        branch: the names that people see above this one, topmost first: of the choices it is inside of, or of the
            groups that it is shown under (`path` knows nothing of those).
        relevant: False for labels such as "Not relevant", or where the config says `relevant="false"`.
    """

    value: str
    path: StoredPath
    title: str
    synsets: tuple[str, ...] = ()
    branch: tuple[str, ...] = ()
    relevant: bool = True


@dataclass(frozen=True)
class Choice:
    """A `<Choice>` with the choices inside it, from XML or from task data."""

    stored: str
    title: str
    synsets: tuple[str, ...] = ()
    relevant: bool | None = None
    children: tuple[Choice | Group, ...] = ()


@dataclass(frozen=True)
class Group:
    """Choices shown under a heading: a branch of the label hierarchy that leaves no trace in what is stored."""

    title: str
    children: tuple[Choice | Group, ...]


def build_labels(choices: Sequence[Choice | Group], value_of: Callable[[StoredPath], str]) -> tuple[Label, ...]:
    """The leaves below `choices` in document order, each value once; `value_of` gives the value of a path."""
    labels: dict[str, Label] = {}

    def walk(choice: Choice | Group, path: StoredPath, branch: tuple[str, ...], relevant: bool | None) -> None:
        if isinstance(choice, Group):
            for child in choice.children:
                walk(child, path, (*branch, choice.title), relevant)
            return
        path = (*path, choice.stored)
        relevant = choice.relevant if choice.relevant is not None else relevant
        if choice.children:
            for child in choice.children:
                walk(child, path, (*branch, choice.title), relevant)
            return
        value = value_of(path)
        if value in labels:
            logger.warning("label %r is there twice in the label config; the first one counts", value)
            return
        if relevant is None:
            relevant = not _IRRELEVANT_TITLE.fullmatch(choice.title.strip().lower())
        labels[value] = Label(value, path, choice.title, choice.synsets, branch, relevant)

    for choice in choices:
        walk(choice, (), (), None)
    return tuple(labels.values())


def make_choice(
    value: str,
    *,
    alias: str | None = None,
    synset: str | None = None,
    relevant: str | None = None,
    children: tuple[Choice | Group, ...] = (),
) -> Choice:
    """A choice from the attributes of its tag."""
    return Choice(
        stored=alias if alias else value,
        title=value,
        synsets=tuple(re.split(r"[\s,]+", synset.strip())) if synset and synset.strip() else (),
        relevant=None if relevant is None else relevant.strip().lower() not in ("false", "0", "no"),
        children=children,
    )


def choices_from_data(options: object) -> tuple[Choice, ...]:
    """Choices from task data; what is neither a name nor a choice is left out."""
    if not isinstance(options, Sequence) or isinstance(options, str | bytes):
        return ()
    choices: list[Choice] = []
    for option in options:
        if isinstance(option, str) and option:
            choices.append(make_choice(option))
        elif isinstance(option, Mapping) and isinstance(option.get("value"), str) and option["value"]:
            choices.append(
                make_choice(
                    option["value"],
                    alias=_text(option.get("alias")),
                    synset=_text(option.get("synset")),
                    relevant=_text(option.get("relevant")),
                    children=choices_from_data(option.get("children")),
                )
            )
    return tuple(choices)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
