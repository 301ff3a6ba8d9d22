"""The project that a demo shows: made once for a folder of photos, found again by a later demo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from backend.demo.demo_folder import DemoFolder
from backend.demo.label_studio_process import LabelStudioProcess, local_file_url
from backend.errors import LabelStudioError
from backend.labels import parse_label_config

IMPORT_CHUNK = 1000
MAX_TITLE = 50  # Label Studio's limit
MIN_TITLE = 3


def find_or_make_project(
    server: LabelStudioProcess,
    kept: DemoFolder,
    photos: Path,
    paths: Sequence[Path],
    config: str,
    title: str,
    tell: Callable[[str], None],
) -> int:
    """The project that shows these photos: the one of an earlier demo, else a new one with all of them imported.

    Args:
        photos: the folder as Label Studio serves it; `paths` lie below it.
        tell: hears how far the import is.
    """
    client = server.client()
    known = kept.project_of(photos)
    if known is not None and _exists(server, known):
        if client.project(known)["label_config"].strip() != config.strip():
            client.update_project(known, label_config=config)
        return known
    if len(title) < MIN_TITLE:
        title = f"Photos {title}".strip()
    project = int(client.create_project(title=title[:MAX_TITLE], label_config=config)["id"])
    client.add_local_files_storage(project, photos, "photos")
    key = parse_label_config(config).data_key
    for start in range(0, len(paths), IMPORT_CHUNK):
        tell(f"importing photos ({start} of {len(paths)})")
        chunk = paths[start : start + IMPORT_CHUNK]
        client.import_tasks(project, [{"data": {key: local_file_url(path, server.files_root)}} for path in chunk])
    kept.remember_project(photos, project)
    return project


def _exists(server: LabelStudioProcess, project: int) -> bool:
    try:
        server.client().project(project)
    except LabelStudioError as error:
        if error.reason == "label_studio_not_found":
            return False
        raise
    return True
