"""A project of real photos, those that every clone has unless others are named, and the means to run its jobs here and now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project, set_up_project
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Annotation, Job, Project, Task
from backend.worker.handlers import job_handlers
from backend.worker.runner import Runner
from tests.photographs import photographs

REPOSITORY = Path(__file__).resolve().parents[3]
MODELS = REPOSITORY / ".cache" / "models"  # compiled once, shared by all tests
SHARED = REPOSITORY / ".." / "shared" / "images" / "sports30"  # harder photos, which a clone need not have


class PhotoProject:
    """Project 1 over the first photos of some classes; the label of a task is known.

    Attributes:
        classes: the labels.
        truth: the label of each task.
    """

    def __init__(
        self, folder: Path, classes: Sequence[str], photos_each: int, *, photos: Path | None = None, **overrides: Any
    ) -> None:
        """`photos`: a folder with a folder for each class; those of `tests.photographs` unless given."""
        given = photos or photographs()
        if not given.is_dir():
            pytest.skip("the shared photographs are not here")
        self.classes = tuple(classes)
        self.settings = Settings(
            **{
                "_env_file": None,
                "state_dir": folder / "state",
                "weights_dir": MODELS,
                "wordnet_dir": REPOSITORY / ".state" / "wordnet",
                "local_roots": (str(given.resolve()),),
                "retrain_every": 1000,
                "backbone": "efficientnet_lite2",
                **overrides,
            }
        )
        self.database = Database(self.settings.resolved_database_url)
        self.database.migrate()
        self.open()
        choices = "".join(f'<Choice value="{name}"/>' for name in classes)
        config = f'<View><Image name="i" value="$i"/><Choices name="c" toName="i">{choices}</Choices></View>'
        set_up_project(self.runtime, 1, label_config=config, title="Photos")
        self.truth: dict[int, str] = {}
        with self.database.session() as session:
            for number in range(photos_each * len(classes)):
                name = classes[number % len(classes)]
                path = str(sorted((given / name).resolve().glob("*.jpg"))[number // len(classes)])
                self.truth[number] = name
                session.add(Task(project_id=1, task_id=number, data={"i": path}, image=path))

    def open(self, **overrides: Any) -> None:
        """Start as a new process does, with these settings changed."""
        self.settings = self.settings.model_copy(update=overrides)
        self.jobs = JobQueue(self.settings, self.database)
        self.runtime = Runtime(self.settings, self.database, self.jobs)
        self._runner = Runner(self.jobs.ledger, job_handlers(self.runtime), wake=lambda: None)

    @property
    def row(self) -> Project:
        """The project as it is stored now."""
        return find_project(self.runtime, 1)

    def run(self, kind: str, payload: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run a job and those it asks for; the result of the first."""
        job = self.runtime.jobs.enqueue(kind, 1, payload)
        self.run_waiting()
        done = self.jobs.ledger.get(job)
        assert done.status == "done", done.message
        return dict(done.result or {})

    def try_one(self, kind: str, payload: Mapping[str, Any] | None = None) -> Job:
        """Run one job, and give it back as it ended."""
        job = self.runtime.jobs.enqueue(kind, 1, payload)
        self._runner.run(job)
        return self.jobs.ledger.get(job)

    def run_waiting(self) -> None:
        """Run the jobs that wait, and those they ask for."""
        while waiting := self.jobs.ledger.waiting(1):
            for job_id in waiting:
                self._runner.run(job_id)
                ended = self.jobs.ledger.get(job_id)
                assert ended.status == "done", ended.message

    def annotate(self, tasks: Sequence[int]) -> None:
        """Annotate tasks rightly."""
        with self.database.session() as session:
            for task in tasks:
                value = {"choices": [self.truth[task]]}
                result = [{"from_name": "c", "to_name": "i", "type": "choices", "value": value}]
                session.merge(Annotation(project_id=1, annotation_id=task, task_id=task, result=result))
