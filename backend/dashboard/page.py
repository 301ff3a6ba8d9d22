"""What a page of a project is: a place below /dashboard/<project>, a name in the menu, a template and what fills it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backend.service.context.context import Runtime
from backend.storage.schema import Project

Arguments = Mapping[str, str]
"""What stands behind the question mark of the address."""


@dataclass(frozen=True)
class ProjectPage:
    """A page of a project; a new one is a file in `views` and a line in the registry.

    Attributes:
        name: where it is below /dashboard/<project>; empty: the first page.
        title: its name in the menu.
        template: below `templates/dashboard`.
        values: what the template shows, as plain data.
    """

    name: str
    title: str
    template: str
    values: Callable[[Runtime, Project, Arguments], dict[str, Any]]
