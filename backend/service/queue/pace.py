"""How often a project is published: a Label Studio that is slow to take an order gets the next one later.

Each publication reads and changes predictions of Label Studio, while the same process serves the annotators. With many of
them, an order for each annotation would make all of them wait, for an order that is seconds fresher.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backend.progress import Progress

FREE_SECONDS = 1.0  # as long as a publication takes in a Label Studio with little else to do
PAUSE_SHARE = 4.0  # pause for each second beyond: publications have a fifth of the time at most
MAX_PAUSE_SECONDS = 15.0  # a window has four places for each person, see `window_size`
LOOK_SECONDS = 1.0  # how soon a person's wish to cancel is seen


def pause_after(seconds: float) -> float:
    """Seconds in [0, MAX_PAUSE_SECONDS] between a publication that took `seconds` and the next order."""
    return min(MAX_PAUSE_SECONDS, PAUSE_SHARE * max(0.0, seconds - FREE_SECONDS))


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

    @contextmanager
    def publication(self, project_id: int) -> Iterator[None]:
        """Around what calls Label Studio: the longer it takes, the later the next may begin."""
        begun = self._clock()
        try:
            yield
        finally:
            ended = self._clock()
            with self._lock:
                free_at = ended + pause_after(ended - begun)
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
            progress(0.0, f"Label Studio was slow to take the last order: the next one begins in {left:.0f} s")
            self._sleep(min(left, LOOK_SECONDS))
        return waited
