"""How often a project is published: a Label Studio that is busy gets the next order later.

Each publication reads and changes predictions of Label Studio, while the same process serves the annotators. With many of
them, an order for each annotation would make all of them wait, for an order that is seconds fresher. How long its calls
take tells how many others wait for the same process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from backend.progress import Progress

CALL_SECONDS = 0.4  # what a call takes a Label Studio that has little else to do, on a slow disk
PAUSE_SHARE = 4.0  # pause for each second beyond: publications that make others wait have a fifth of the time at most
MAX_PAUSE_SECONDS = 15.0  # a window has four places for each person, see `window_size`
LOOK_SECONDS = 1.0  # how soon a person's wish to cancel is seen


def pause_after(seconds: float, calls: int) -> float:
    """Seconds in [0, MAX_PAUSE_SECONDS] between a publication of so many calls that took `seconds`, and the next order."""
    return min(MAX_PAUSE_SECONDS, PAUSE_SHARE * max(0.0, seconds - CALL_SECONDS * calls))


class PublicationPace:
    """When each project may be ordered and published again; one for a process, called from all its threads."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Both in seconds."""
        self._clock = clock
        self._sleep = sleep
        self._free_at: dict[int, float] = {}
        self._lock = threading.Lock()

    def published(self, project_id: int, seconds: float, calls: int) -> None:
        """A publication, or a part of one, has just ended: it took `seconds` and so many calls of Label Studio."""
        free_at = self._clock() + pause_after(seconds, calls)
        with self._lock:
            self._free_at[project_id] = max(free_at, self._free_at.get(project_id, free_at))

    def wait(self, project_id: int, progress: Progress) -> bool:
        """Return once the project may be ordered and published; whether that took a moment.

        Raises:
            JobCancelledError: `progress` says so.
        """
        with self._lock:
            free_at = self._free_at.pop(project_id, 0.0)
        waited = False
        while (left := free_at - self._clock()) > 0:
            waited = True
            progress(0.0, f"Label Studio is busy: the next order begins in {left:.0f} s")
            self._sleep(min(left, LOOK_SECONDS))
        return waited
