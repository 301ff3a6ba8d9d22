"""A project's options changed by a person here: in Label Studio's model connection too, which sends them again each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.errors import BackendError
from backend.service.context.context import Runtime
from backend.service.projects.identity import client_for
from backend.service.projects.options import options_model, project_options
from backend.service.projects.project import find_project, set_up_project


def options_of(runtime: Runtime, project_id: int) -> list[dict[str, Any]]:
    """The options: name, description, value in force, and whether the project sets it itself."""
    project = find_project(runtime, project_id)
    values = project_options(runtime.settings, project.extra_params).model_dump(mode="json")
    return [
        {
            "name": name,
            "description": field.description or "",
            "value": values[name],
            "own": name in project.extra_params,
        }
        for name, field in options_model().model_fields.items()
    ]


def change_options(runtime: Runtime, project_id: int, extra_params: Mapping[str, Any]) -> None:
    """Set a project's extra params here and in Label Studio; the queue is ordered anew.

    Raises:
        SettingsError: one is unknown or not allowed; nothing is changed then.
        AnotherProjectError: Label Studio has another project under its number; nothing is changed then.
        LabelStudioError: it does not take them; nothing is changed then.
        BackendError: `not_connected`, the project has no connection to this backend in Label Studio.
    """
    project = find_project(runtime, project_id)
    project_options(runtime.settings, extra_params)
    client = client_for(runtime, project)
    if client is not None:
        ours = runtime.settings.public_url.rstrip("/")
        entries = client.ml_backends(project_id)
        entry = next((item for item in entries if str(item.get("url", "")).rstrip("/") == ours), None)
        if entry is None and len(entries) == 1:
            entry = entries[0]
        if entry is None:
            raise BackendError(
                f"Project {project_id} has no model connection to {ours}: run `python -m backend connect` first.",
                reason="not_connected",
            )
        changed = {"project": project_id, "url": entry["url"], "extra_params": dict(extra_params)}
        client.save_ml_backend(changed, int(entry["id"]))
    set_up_project(runtime, project_id, extra_params=dict(extra_params))
