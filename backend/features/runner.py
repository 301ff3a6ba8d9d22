"""What runs a network: an engine turns images into embeddings, several at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from backend.features.spec import Floats, Pixels

Key = TypeVar("Key")


class Session(Protocol[Key]):
    """Asynchronous inference of one caller; not shared between threads. Order is not kept: keys tell."""

    def submit(self, key: Key, image: Pixels) -> None:
        """Queue one uint8 RGB image [size, size, 3]; waits while the engine is full, so memory stays bounded."""

    def finished(self) -> Iterator[tuple[Key, Floats]]:
        """(key, float32 embedding [d]) of images done since the last call; does not wait."""

    def drain(self) -> Iterator[tuple[Key, Floats]]:
        """Wait for all that was submitted, and give what is left."""


class Runner(Protocol):
    """An engine with one network loaded; shared between threads."""

    @property
    def engine(self) -> str:
        """Name of the engine and its device, for logs."""

    def session(self) -> AbstractContextManager[Session[Any]]:
        """Open a session; leaving it waits for what still runs."""
