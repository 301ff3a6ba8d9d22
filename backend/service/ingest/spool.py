"""Events that the database did not take: kept in files, and taken in by the worker as soon as it does."""

from __future__ import annotations

import contextlib
import json
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from backend.errors import NotFoundError
from backend.files import write_atomically
from backend.service.context.context import Runtime
from backend.service.ingest.intake import take_all
from backend.service.projects.project import project_id_of

log = logging.getLogger(__name__)

SPOOL = "events"  # the folder, below STATE_DIR
SUFFIX = ".json"
AT_ONCE = 100  # events of a transaction


class EventSpool:
    """A folder of events, one file each; any number of processes may write, and take in, side by side.

    Events may be taken in late, twice or out of order: `handle_event` sees to that.

    Args:
        folder: appears with the first event.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, action: str, payload: Mapping[str, Any]) -> None:
        """Keep an event; once this returns, it survives the loss of power.

        Raises:
            OSError: the disk does not take it.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        event = json.dumps({"action": action, "payload": payload})
        write_atomically(self._folder / f"{name}{SUFFIX}", event, durable=True)

    def waiting(self) -> list[Path]:
        """The events that wait, oldest first."""
        return sorted(self._folder.glob(f"[0-9]*{SUFFIX}"))

    def take_in(self, runtime: Runtime) -> int:
        """Handle the events that wait; how many were. What the database does not take yet stays for the next time."""
        done = 0
        waiting = self.waiting()
        for start in range(0, len(waiting), AT_ONCE):
            events = self._read(waiting[start : start + AT_ONCE])
            try:
                outcomes = take_all(runtime, list(events.values()))
            except SQLAlchemyError as error:
                log.warning("%d events wait for the database: %s", len(waiting) - done, str(error).splitlines()[0])
                return done
            for path, outcome in zip(events, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    _lay_aside(path, outcome)
                else:
                    path.unlink(missing_ok=True)
                    done += 1
        if done:
            log.info("%d events that were kept in files are stored", done)
        return done

    def forget(self, project_id: int) -> None:
        """Remove the events of a project; one that cannot be read waits on."""
        for path, (_, payload) in self._read(self.waiting()).items():
            with contextlib.suppress(NotFoundError):  # it names no project
                if project_id_of(payload.get("project")) == project_id:
                    path.unlink(missing_ok=True)

    def _read(self, paths: Sequence[Path]) -> dict[Path, tuple[str, Mapping[str, Any]]]:
        found = {}
        for path in paths:
            try:
                found[path] = _event(path.read_text(encoding="utf-8"))
            except FileNotFoundError:  # another process was faster
                continue
            except OSError as error:
                log.error("the kept event %s cannot be read and waits: %s", path.name, error.strerror)
            except (ValueError, RecursionError) as error:
                _lay_aside(path, error)
        return found


def _event(text: str) -> tuple[str, Mapping[str, Any]]:
    """Action and payload of a kept event.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested too deep.
    """
    event = json.loads(text)
    action, payload = (event.get("action"), event.get("payload")) if isinstance(event, dict) else (None, None)
    if not isinstance(action, str) or not isinstance(payload, dict):
        raise ValueError("no action with its payload")
    return action, payload


def _lay_aside(path: Path, error: Exception) -> None:
    log.error("the kept event %s cannot be used and is laid aside: %s", path.name, error)
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        path.replace(path.with_suffix(".refused"))
