"""What the groups of calls to Label Studio's API share."""

from __future__ import annotations

from typing import Any

from backend.errors import LabelStudioError
from backend.sync.transport import Transport

JsonDict = dict[str, Any]
SLOW_CALL_SECONDS = 300.0  # imports and bulk deletions


class Calls:
    """A group of calls through one transport."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def project(self, project_id: int) -> JsonDict:
        """One project with its settings and counts."""
        return as_object(self.transport.call("GET", f"/api/projects/{project_id}/"))

    def made_at(self, project_id: int) -> str | None:
        """When a project was made, as an ISO time: a cheap call, nothing is counted for it."""
        found = as_object(
            self.transport.call("GET", f"/api/projects/{project_id}/", params={"include": "id,created_at"})
        )
        stamp = found.get("created_at")
        return stamp if isinstance(stamp, str) else None


def as_object(answer: Any) -> JsonDict:
    """An answer that should be an object, with its own words for keys that it lacks."""
    if not isinstance(answer, dict):
        raise LabelStudioError(
            f"Label Studio answered {type(answer).__name__} where an object should be: is LABEL_STUDIO_URL its origin?",
            reason="label_studio_answer",
        )
    return answer
