"""One time limit shared by all steps of a fetch."""

from __future__ import annotations

import time

from backend.errors import ImageError


class Deadline:
    """A point in time that every step of one fetch must keep, however many steps there are."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, above 0.

        Raises:
            ImageError: `timeout`, when none are left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.exceeded()
        return left

    def exceeded(self) -> ImageError:
        """The error for a step that ran into the limit."""
        return ImageError(f"not read within {self._seconds:g} s (IMAGE_TIMEOUT_SECONDS)", reason="timeout")
