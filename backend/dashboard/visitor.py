"""Who is before a page, and what they may do there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from flask import g

from backend.dashboard.asking import Answers, Askings
from backend.errors import BusyError, LabelStudioError
from backend.sync.person import Role

log = logging.getLogger(__name__)

ALONE = 4


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
        askings: the threads that may wait for Label Studio; None: some of their own.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        name: str = "",
        asked: Asked | None = None,
        *,
        signed_in: bool = False,
        askings: Askings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.signed_in = signed_in
        self._asked = asked
        if asked is not None:
            places = askings or Askings(ALONE)
            self._roles = Answers(asked.role, places, clock)
            self._seen = Answers[None, frozenset[int]](lambda _: asked.projects(), places, clock)

    @property
    def may_do_everything(self) -> bool:
        """Whether nothing is kept from them: no Label Studio is asked."""
        return self._asked is None

    def role(self, project_id: int) -> Role:
        """What they may do with a project; asked once a minute.

        Raises:
            LabelStudioError: it does not answer, or no longer takes their credential.
            BusyError: too many threads wait for it.
        """
        if self._asked is None:
            return Role.WRITE
        return self._roles.of(project_id)

    def may_write(self, project_id: int) -> bool:
        """Whether they may change a project. Raises as `role` does."""
        return self.role(project_id) is Role.WRITE

    def known_to_write(self, project_ids: Iterable[int]) -> set[int]:
        """Those of the projects that they may change, as far as Label Studio tells: where it fails, none of the rest."""
        found: set[int] = set()
        try:
            for project_id in project_ids:
                if self.may_write(project_id):
                    found.add(project_id)
        except (LabelStudioError, BusyError) as error:
            log.warning("what %s may change is not known: %s", self.name, error)
        return found

    def sees(self, project_ids: list[int]) -> set[int]:
        """Those of the projects that they see; asked once a minute. Raises as `role` does."""
        if self._asked is None:
            return set(project_ids)
        return set(project_ids) & self._seen.of(None)


def visitor() -> Visitor:
    """Who sent the request that is being answered."""
    found = g.get("visitor")
    return found if isinstance(found, Visitor) else Visitor()
