"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with the share that is done, in [0, 1], and with what is being done."""

CountProgress = Callable[[int, int], None]
"""Called with how many items are done, of how many."""

Status = Callable[[str], None]
"""Called with what is being waited for."""


def silent(fraction: float, message: str) -> None:
    """A `Progress` that nobody hears."""
