"""Logging of the long-running commands: for people as text, for collectors as one JSON object a line.

Each line carries the request or the job that it belongs to; secrets of the settings are never in one.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from backend.settings import Settings, secret_values

SHORTEST_SECRET = 4  # a shorter one would be found in every word
_HIDDEN = "***"
_AUTHORIZATION = re.compile(r"((?:Basic|Bearer|Token)\s+)[A-Za-z0-9+/=._~-]{12,}", re.IGNORECASE)
_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+(@)")
_context: ContextVar[dict[str, str] | None] = ContextVar("log_context", default=None)
_CHATTY = ("huey", "urllib3", "httpx", "alembic", "faiss")


@contextmanager
def logged_as(**names: str) -> Iterator[None]:
    """Lines logged in the block, on this thread, carry these names: `request="…"`, `job="…"`."""
    token = _context.set({**(_context.get() or {}), **names})
    try:
        yield
    finally:
        _context.reset(token)


class TextFormatter(logging.Formatter):
    """A line for people."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._hide = _hider(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the names of its context behind it."""
        names = " ".join(f"{name}={value}" for name, value in (_context.get() or {}).items())
        return self._hide(f"{super().format(record)} [{names}]" if names else super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._hide = _hider(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """The object: time, level, logger, message, the names of its context, an exception."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": self._hide(record.getMessage()),
            **(_context.get() or {}),
        }
        if record.exc_info:
            entry["exception"] = self._hide(self.formatException(record.exc_info))
        return json.dumps(entry)


def configure_logging(settings: Settings) -> None:
    """Log to standard error as the settings say."""
    handler = logging.StreamHandler()
    secrets = secret_values(settings)
    handler.setFormatter(JsonFormatter(secrets) if settings.log_format == "json" else TextFormatter(secrets))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _hider(secrets: Sequence[str]) -> Callable[[str], str]:
    """Replaces secrets in a text: those given, and whatever stands where a credential does."""
    wanted = sorted((re.escape(secret) for secret in secrets if len(secret) >= SHORTEST_SECRET), key=len, reverse=True)
    known = re.compile("|".join(wanted)) if wanted else None

    def hide(text: str) -> str:
        if known is not None:
            text = known.sub(_HIDDEN, text)
        return _PASSWORD.sub(rf"\1{_HIDDEN}\2", _AUTHORIZATION.sub(rf"\1{_HIDDEN}", text))

    return hide
