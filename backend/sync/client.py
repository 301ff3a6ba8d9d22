"""The calls to Label Studio's API that the product makes, as methods that return plain data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from backend.errors import LabelStudioError
from backend.sync.calls import JsonDict, as_object
from backend.sync.prediction_calls import PredictionCalls
from backend.sync.transport import Transport

USERS_SECONDS = 10.0  # nobody waits longer to know how many there are


class LabelStudioClient(PredictionCalls):
    """One Label Studio, seen by one user.

    Args:
        url: its origin.
        api_key: legacy token or personal access token.
        timeout: seconds that one call may take (imports and bulk deletions may take longer).

    Every method raises LabelStudioError naming the call, the URL and the fix.
    """

    def __init__(self, url: str, api_key: str, timeout: float = 30.0) -> None:
        super().__init__(Transport(url, api_key, timeout))
        self.url = self.transport.url

    def authorization(self) -> str:
        """The Authorization header for this Label Studio's origin; never send it elsewhere."""
        return self.transport.authorization()

    # The server
    def version(self) -> str:
        """Label Studio's release, e.g. "1.23.2"."""
        return str(self.transport.anonymous("/api/version").get("release", ""))

    def whoami(self) -> JsonDict:
        """The user whose token this is."""
        return as_object(self.transport.call("GET", "/api/current-user/whoami"))

    def active_users(self, since: datetime) -> int:
        """How many users of the token's organisation changed something since then, or are new since then."""
        answer = self.transport.call("GET", "/api/users/", timeout=USERS_SECONDS)
        try:
            return sum(datetime.fromisoformat(user["last_activity"]) >= since for user in answer)
        except (KeyError, TypeError, ValueError) as error:
            raise LabelStudioError(
                f"Label Studio's list of users cannot be read: {error}", reason="label_studio_answer"
            ) from None

    def create_personal_access_token(self) -> str:
        """A new personal access token of this user; Label Studio allows one at a time."""
        return str(self.transport.call("POST", "/api/token/")["token"])

    # Projects
    def projects(self) -> Iterator[JsonDict]:
        """All projects that the user sees."""
        page = 1
        while True:
            answer = self.transport.call("GET", "/api/projects/", params={"page": page, "page_size": 100})
            yield from answer["results"]
            if not answer.get("next"):
                return
            page += 1

    def create_project(self, **fields: Any) -> JsonDict:
        """A new project."""
        return as_object(self.transport.call("POST", "/api/projects/", json=fields))

    def update_project(self, project_id: int, **fields: Any) -> JsonDict:
        """Change settings of a project and return it."""
        return as_object(self.transport.call("PATCH", f"/api/projects/{project_id}/", json=fields))

    def next_task(self, project_id: int) -> JsonDict:
        """The task that Label Studio would hand to this user now (and locks for them)."""
        return as_object(self.transport.call("GET", f"/api/projects/{project_id}/next/"))

    # Connection
    def ml_backends(self, project_id: int) -> list[JsonDict]:
        """The ML backends of a project; Label Studio calls each one to refresh its state."""
        return list(self.transport.call("GET", "/api/ml/", params={"project": project_id}))

    def save_ml_backend(self, fields: JsonDict, backend_id: int | None = None) -> JsonDict:
        """Add an ML backend, or change one; Label Studio calls its /health and /setup first."""
        if backend_id is None:
            return as_object(self.transport.call("POST", "/api/ml/", json=fields))
        return as_object(self.transport.call("PATCH", f"/api/ml/{backend_id}", json=fields))

    def webhooks(self, project_id: int) -> list[JsonDict]:
        """The webhooks of a project."""
        return list(self.transport.call("GET", "/api/webhooks/", params={"project": project_id}))

    def save_webhook(self, fields: JsonDict, webhook_id: int | None = None) -> JsonDict:
        """Add a webhook, or change one."""
        if webhook_id is None:
            return as_object(self.transport.call("POST", "/api/webhooks/", json=fields))
        return as_object(self.transport.call("PATCH", f"/api/webhooks/{webhook_id}/", json=fields))

    def delete_webhook(self, webhook_id: int) -> None:
        """Remove a webhook."""
        self.transport.call("DELETE", f"/api/webhooks/{webhook_id}/")

    def views(self, project_id: int) -> list[JsonDict]:
        """The Data Manager tabs of a project."""
        return list(self.transport.call("GET", "/api/dm/views/", params={"project": project_id}))

    def save_view(self, project_id: int, data: JsonDict, view_id: int | None = None) -> JsonDict:
        """Add a Data Manager tab, or change one."""
        body = {"project": project_id, "data": data}
        if view_id is None:
            return as_object(self.transport.call("POST", "/api/dm/views/", json=body))
        return as_object(self.transport.call("PATCH", f"/api/dm/views/{view_id}/", json=body))

    def add_local_files_storage(self, project_id: int, directory: Path, title: str) -> JsonDict:
        """Let a project's tasks refer to files below `directory` as /data/local-files/?d=<path below the document root>."""
        body = {"project": project_id, "path": str(directory), "title": title, "use_blob_urls": True}
        return as_object(self.transport.call("POST", "/api/storages/localfiles/", json=body))
