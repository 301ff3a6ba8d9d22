"""What other packages add: strategies, backbones, control tags, learners, options, export formats and jobs.

A package names them as entry points (`[project.entry-points."label_order.strategies"]`); once it is installed beside
this one, the registries hold them. They are loaded when a registry is first looked at: an extension may import any module
of this program, those with registries too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from backend.errors import SettingsError

STRATEGIES = "label_order.strategies"
BACKBONES = "label_order.backbones"
CONTROLS = "label_order.controls"
LEARNERS = "label_order.learners"
OPTIONS = "label_order.options"
EXPORTS = "label_order.exports"
JOBS = "label_order.jobs"


Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry], Generic[Entry]):
    """The entries of the product itself, and those that extensions add, by name."""

    def __init__(self, group: str, built_in: Mapping[str, Entry]) -> None:
        self._group = group
        self._built_in = dict(built_in)

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return {**self._built_in, **extensions(self._group, self._built_in.keys())}

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def extensions(group: str, taken: Collection[str]) -> dict[str, Any]:
    """What installed packages add to a registry, by name.

    Args:
        group: one of the groups above.
        taken: the names that the product itself has in this registry.

    Raises:
        SettingsError: an extension cannot be loaded, or its name is taken; the message names its package.
    """
    found: dict[str, Any] = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        package = point.dist.name if point.dist else "an unknown package"
        if point.name in taken or point.name in found:
            raise SettingsError(f"{group}: {package} adds {point.name!r}, which is there already: rename it there.")
        try:
            found[point.name] = point.load()
        except Exception as error:
            raise SettingsError(
                f"{group}: {point.name!r} of {package} cannot be loaded ({type(error).__name__}: {error}): "
                f"mend it, or uninstall {package}."
            ) from error
    return found
