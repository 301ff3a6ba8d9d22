"""`<Choices>`: names, or whole paths with `allowNested="true"`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from backend.labels.controls.base import ControlKind
from backend.labels.controls.label import Label, StoredPath


class ChoicesHandler:
    """Label Studio stores a choice by its name; with `allowNested` by the path from the topmost choice down.

    Without `allowNested` its screen shows the topmost choices only, while its API takes any of them.
    """

    kind: ControlKind = "choices"
    result_key = "choices"

    def is_multiple(self, attributes: Mapping[str, str]) -> bool:
        """`choice="multiple"`; single is Label Studio's default."""
        return attributes.get("choice", "single") == "multiple"

    def stored(self, label: Label, nested: bool) -> str | list[str]:
        """The path when nested, else the name."""
        return list(label.path) if nested else label.path[-1]

    def value_of(self, path: StoredPath) -> str:
        """The name of the choice itself."""
        return path[-1]

    def keys(self, path: StoredPath) -> Iterator[StoredPath]:
        """The whole path, or the name alone."""
        yield path
        if len(path) > 1:
            yield path[-1:]
