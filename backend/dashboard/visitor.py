"""Who is before a page, and what they may do there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from flask import g

from backend.sync.person import Role

REMEMBERED_SECONDS = 60.0
"""How long an answer of Label Studio's is taken for true: so long a role that was taken away may still act."""


class Asked(Protocol):
    """What Label Studio is asked about a person."""

    def role(self, project_id: int) -> Role:
        """What they may do with a project."""

    def projects(self) -> frozenset[int]:
        """The projects that they see."""


class Visitor:
    """A caller with what they may do.

    Args:
        name: of the person, or of the Basic user; empty where nobody is asked.
        asked: Label Studio, as the person sees it; None: they may do everything.
        signed_in: they have a session, which can be ended.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        name: str = "",
        asked: Asked | None = None,
        *,
        signed_in: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.signed_in = signed_in
        self._asked = asked
        self._clock = clock
        self._roles: dict[int, tuple[float, Role]] = {}
        self._seen: tuple[float, frozenset[int]] | None = None
        self._lock = threading.Lock()

    @property
    def may_do_everything(self) -> bool:
        """Whether nothing is kept from them: no Label Studio is asked."""
        return self._asked is None

    def role(self, project_id: int) -> Role:
        """What they may do with a project; asked once a minute.

        Raises:
            LabelStudioError: it does not answer, or no longer takes their credential.
        """
        if self._asked is None:
            return Role.WRITE
        with self._lock:
            asked_at, role = self._roles.get(project_id, (0.0, Role.NONE))
            if project_id not in self._roles or self._clock() - asked_at > REMEMBERED_SECONDS:
                role = self._asked.role(project_id)
                self._roles[project_id] = (self._clock(), role)
            return role

    def may_write(self, project_id: int) -> bool:
        """Whether they may change a project. Raises as `role` does."""
        return self.role(project_id) is Role.WRITE

    def sees(self, project_ids: list[int]) -> set[int]:
        """Those of the projects that they see; asked once a minute. Raises as `role` does."""
        if self._asked is None:
            return set(project_ids)
        with self._lock:
            if self._seen is None or self._clock() - self._seen[0] > REMEMBERED_SECONDS:
                self._seen = (self._clock(), self._asked.projects())
            return set(project_ids) & self._seen[1]


def visitor() -> Visitor:
    """Who sent the request that is being answered."""
    found = g.get("visitor")
    return found if isinstance(found, Visitor) else Visitor()
