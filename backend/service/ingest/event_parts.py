"""What is said of an event and its parts, whatever its action."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from backend.errors import BackendError

Payload = Mapping[str, Any]
S = TypeVar("S")


@dataclass(frozen=True)
class EventOutcome:
    """What an event led to.

    Attributes:
        jobs: those that were asked for, by kind.
        rejected: why parts of the event were left out, a sentence for each; the others are stored.
    """

    project_id: int
    jobs: dict[str, str]
    rejected: tuple[str, ...] = ()


def listed(value: object) -> list[Any]:
    """What an event holds under a key: nothing, one thing or many."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def readable(items: Iterable[Any], read: Callable[[Any], S], rejected: list[str]) -> Iterator[tuple[Any, S]]:
    """The items that can be read, with what was read of them; why the others cannot is added to `rejected`."""
    for item in items:
        try:
            yield item, read(item)
        except BackendError as error:
            rejected.append(str(error))
