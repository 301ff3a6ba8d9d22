"""A process that ends when the one that started it is gone, however that died."""

from __future__ import annotations

import logging
import os
import signal
import threading

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0


def end_with_parent() -> None:
    """Send SIGTERM to this process as soon as its parent is gone; looked at in a thread."""
    threading.Thread(target=_watch, args=(os.getppid(),), name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(CHECK_SECONDS)
    log.warning("the process that started this one is gone: stopping")
    os.kill(os.getpid(), signal.SIGTERM)
