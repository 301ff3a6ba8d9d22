"""A backup taken while others write, restored into an empty folder."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.errors import BackendError
from backend.settings import Settings
from backend.storage.backup import back_up, restore
from backend.storage.database import Database
from backend.storage.schema import Annotation, Project, QueueItem

pytestmark = pytest.mark.unit


def test_a_backup_under_writing_is_whole(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, state_dir=tmp_path / "old")
    database = Database(settings.resolved_database_url)
    database.migrate()
    place = {"score": 0.1, "priority": 0.9, "components": {"a": 0.5}, "reason": "new", "result": []}
    with database.session() as session:
        session.add(Project(id=1, title="Sports", snapshot="wordnet.1"))
        session.flush()
        session.add(Annotation(project_id=1, annotation_id=1, task_id=5, result=[{"type": "choices"}]))
        session.add(QueueItem(project_id=1, version="wordnet.1", position=1, task_id=7, **place))
    snapshot = settings.state_dir / "projects" / "1" / "snapshots" / "wordnet.1" / "meta.json"
    snapshot.parent.mkdir(parents=True)
    snapshot.write_text("{}")
    stop = threading.Event()

    def write() -> None:
        number = 1000
        while not stop.wait(0.001):
            with database.session() as session:
                session.add(Annotation(project_id=1, annotation_id=number, task_id=None, result=[]))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert back_up(settings, tmp_path / "backup.tar") == ["backend.sqlite3", "projects"]
    finally:
        stop.set()
        writer.join()
        database.close()
    assert (tmp_path / "backup.tar").stat().st_mode & 0o777 == 0o600
    with pytest.raises(BackendError, match="exists already"):
        back_up(settings, tmp_path / "backup.tar")

    new = settings.model_copy(update={"state_dir": tmp_path / "new"})
    restore(new, tmp_path / "backup.tar")
    with pytest.raises(BackendError, match="holds a database already"):
        restore(new, tmp_path / "backup.tar")
    restored = Database(new.resolved_database_url)
    restored.migrate()
    with restored.session() as session:
        assert session.get_one(Project, 1).title == "Sports"
        assert [item.task_id for item in session.scalars(select(QueueItem))] == [7]
        assert session.get_one(Annotation, (1, 1)).result == [{"type": "choices"}]
        assert session.scalar(select(func.count()).select_from(Annotation)) >= 1
    restored.close()
    assert (new.state_dir / "projects" / "1" / "snapshots" / "wordnet.1" / "meta.json").read_text() == "{}"


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_text("no tar")
    with pytest.raises(BackendError, match="cannot be restored"):
        restore(Settings(_env_file=None, state_dir=tmp_path / "new"), tmp_path / "x.tar")
    with pytest.raises(BackendError, match="pg_dump"):
        back_up(Settings(_env_file=None, database_url="postgresql+psycopg://h/d"), tmp_path / "y.tar")
