"""The names that our predictions carry in Label Studio, in one place: made here, and read back here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

_WINDOW = re.compile(r"^(?P<model>.+)\.(?P<serial>\d+)$")
_SUPERSEDED = re.compile(r"^(?P<model>.+) superseded (?P<hour>\d{4}-\d{2}-\d{2} \d{2}) UTC$")
_HOUR = "%Y-%m-%d %H"


@dataclass(frozen=True)
class WindowName:
    """One window of a model, e.g. `propagation.17`: the backend's own name for an order and the beliefs behind it.

    Label Studio sees it only where the backend cannot push: there, a new name is what makes it ask again.

    Attributes:
        model: the version that predicts, e.g. `propagation`, `head-3`.
        serial: grows with each window of a project.
    """

    model: str
    serial: int

    def __str__(self) -> str:
        return f"{self.model}.{self.serial}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The window of this name; None for a name of another kind."""
        found = _WINDOW.match(name)
        return cls(found["model"], int(found["serial"])) if found else None


@dataclass(frozen=True)
class SupersededName:
    """Suggestions that left the queue within one hour: kept under this name while somebody may hold them open.

    Attributes:
        model: the version that predicted them.
        hour: when they left, to the hour, with its zone.
    """

    model: str
    hour: datetime

    def __str__(self) -> str:
        return f"{self.model} superseded {self.hour.astimezone(UTC).strftime(_HOUR)} UTC"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The superseded suggestions of this name; None for a name of another kind."""
        found = _SUPERSEDED.match(name)
        if found is None:
            return None
        try:
            return cls(found["model"], datetime.strptime(found["hour"], _HOUR).replace(tzinfo=UTC))
        except ValueError:
            return None


def model_of(name: str) -> str:
    """The model behind any of our names: itself, one of its windows, or what it superseded."""
    found = SupersededName.parse(name) or WindowName.parse(name)
    return found.model if found else name
