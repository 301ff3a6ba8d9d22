"""The state of a backend in one file, taken while it runs, and put back into an empty folder."""

from __future__ import annotations

import os
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from backend.errors import BackendError
from backend.files import atomic_file
from backend.settings import Settings
from backend.storage.database import Database

DATABASE = "backend.sqlite3"
# What can be made again, or belongs to running processes, is left out: weights, WordNet, messages, reports.
KEPT_FOLDERS = ("projects", "backbones", "events")


def back_up(settings: Settings, target: Path) -> list[str]:
    """Write the database, and the trained models and snapshots below STATE_DIR, to the tar file `target`.

    The database is copied as it is at one moment, while others write to it. The files come after it: a snapshot that
    was replaced in between is written anew by the first refresh after a restore.

    Returns: what the file holds.

    Raises:
        BackendError: `target` exists, or the database is PostgreSQL's (use pg_dump, and copy STATE_DIR).
    """
    database = Database(settings.resolved_database_url)
    try:
        source = database.url.database
        if not database.is_sqlite or not source:
            raise BackendError(
                "DATABASE_URL is not SQLite: take the database with pg_dump, and copy the folder STATE_DIR beside it.",
                reason="backup",
            )
    finally:
        database.close()
    if target.exists():
        raise BackendError(f"{target} exists already: name another file.", reason="backup")
    state = settings.state_dir
    held = [DATABASE]
    with tempfile.TemporaryDirectory(dir=target.resolve().parent) as folder:
        copy = Path(folder) / DATABASE
        with closing(sqlite3.connect(source, timeout=30)) as live, closing(sqlite3.connect(copy)) as kept:
            live.backup(kept)
        with atomic_file(target) as stream:
            os.fchmod(stream.fileno(), 0o600)
            with tarfile.open(fileobj=stream, mode="w") as archive:
                archive.add(copy, DATABASE)
                for name in KEPT_FOLDERS:
                    if (state / name).is_dir():
                        held.append(name)
                        _add_folder(archive, state / name, name)
    return held


def restore(settings: Settings, source: Path) -> None:
    """Put the state that `back_up` wrote into STATE_DIR, which must hold none.

    Raises:
        BackendError: STATE_DIR holds a database already, or `source` is no such file.
    """
    state = settings.state_dir
    if (state / DATABASE).exists():
        raise BackendError(
            f"{state} holds a database already: set STATE_DIR to an empty folder, or move that one away.",
            reason="restore",
        )
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with tarfile.open(source) as archive:
            archive.extractall(state, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise BackendError(f"{source} cannot be restored: {error}", reason="restore") from None
    if not (state / DATABASE).is_file():
        raise BackendError(f"{source} is no backup of a backend: it holds no {DATABASE}.", reason="restore")


def _add_folder(archive: tarfile.TarFile, folder: Path, name: str) -> None:
    """Add a folder file by file: one that goes away meanwhile is left out."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            try:
                archive.add(path, f"{name}/{path.relative_to(folder)}")
            except FileNotFoundError:
                continue
