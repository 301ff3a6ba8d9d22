"""How many people may come to label: the users of Label Studio who did something there lately."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from backend.errors import LabelStudioError
from backend.storage.schema import now
from backend.sync.client import LabelStudioClient

log = logging.getLogger(__name__)

ACTIVE_DAYS = 7.0
ASK_EVERY = 600.0  # seconds; the list grows with the organisation
ASK_AGAIN = 60.0  # seconds after a call that failed


class Members:
    """Asks Label Studio now and then, and remembers; one instance for a process, called from all its threads."""

    def __init__(self, client: Callable[[], LabelStudioClient | None]) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._count = 0
        self._ask_at = 0.0  # of time.monotonic()

    def active(self) -> int:
        """Users who changed something in Label Studio within `ACTIVE_DAYS`, or are new since; 0 where nobody can say.

        A call that fails is logged, and the number stays what it was: whoever asks has something better to do.
        """
        client = self._client()
        if client is None:
            return 0
        with self._lock:
            if time.monotonic() >= self._ask_at:
                try:
                    self._count = client.active_users(now() - timedelta(days=ACTIVE_DAYS))
                    self._ask_at = time.monotonic() + ASK_EVERY
                except LabelStudioError as error:
                    log.info("how many people may label is not known: %s", error)
                    self._ask_at = time.monotonic() + ASK_AGAIN
            return self._count
