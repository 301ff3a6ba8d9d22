"""The snapshot that is current now, for pages and sheets: what was last believed of every photo."""

from __future__ import annotations

from functools import partial

from backend.errors import BackendError
from backend.service.context.context import Runtime
from backend.service.pool.snapshot import Snapshot, read_snapshot
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project
from backend.service.versions.artifacts import snapshots_folder
from backend.storage.schema import Project


def current_snapshot(runtime: Runtime, project: Project) -> Snapshot:
    """What is believed of a project's photos for the labels that it has now.

    Raises:
        BackendError: `not_ready`, nothing is predicted yet for these labels.
    """
    key = labels_of(runtime, project).key
    for known in (project.snapshot, find_project(runtime, project.id).snapshot):
        if not known:
            continue
        folder = snapshots_folder(runtime, project.id)
        try:
            snapshot = runtime.opened.of(folder, folder / known / "meta.json", partial(read_snapshot, folder / known))
        except (
            BackendError,
            OSError,
        ):  # replaced by a newer one in this moment, or damaged: the next refresh writes it anew
            continue
        if snapshot.labels_key == key:
            return snapshot
    raise BackendError(
        f"Project {project.id} has no predictions for its labels yet: its photos are still being read. "
        "Look again in a minute.",
        reason="not_ready",
    )
