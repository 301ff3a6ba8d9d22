"""The message queue: Huey on SQLite for one machine, on Redis beyond. A message only names a job of the ledger."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from huey.api import Huey, RedisHuey, SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer

from backend.errors import SettingsError
from backend.jobs.kinds import Lane
from backend.settings import Settings

QUEUE_NAME = "label-order"


class JsonSerializer(Serializer):  # type: ignore[misc]
    """Messages as JSON: whoever can write to the queue can start known jobs, but run no code of their own."""

    def _serialize(self, data: Any) -> bytes:
        if isinstance(data, Message):
            return json.dumps({"message": data._asdict()}).encode()
        return json.dumps({"value": data}).encode()

    def _deserialize(self, data: bytes) -> Any:
        content = json.loads(data)
        if "message" not in content:
            return content["value"]
        fields = content["message"]
        fields["args"] = tuple(fields["args"])
        return Message(**fields)


def open_huey(settings: Settings, lane: Lane) -> Huey:
    """The queue of a lane, where the settings say.

    Raises:
        SettingsError: QUEUE_URL has a scheme other than redis(s) or sqlite.
    """
    name, url = f"{QUEUE_NAME}-{lane}", settings.queue_url
    if url.startswith(("redis://", "rediss://")):
        return RedisHuey(name, url=url, results=False, serializer=JsonSerializer())
    if url and not url.startswith("sqlite:///"):
        raise SettingsError("QUEUE_URL: must be redis://…, rediss://…, sqlite:///… or empty")
    path = url.removeprefix("sqlite:///") or str(settings.state_dir / "queue.sqlite3")
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    return SqliteHuey(name, filename=path, results=False, serializer=JsonSerializer(), fsync=False)


def queue_faults(settings: Settings) -> tuple[type[Exception], ...]:
    """What the message queue raises while it is out of reach."""
    if not settings.queue_url.startswith("redis"):
        return (OSError, sqlite3.Error)
    from redis.exceptions import RedisError

    return (OSError, RedisError)
