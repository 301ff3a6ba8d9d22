"""The same service as a `LabelStudioMLBase` class, for those who run it with `label-studio-ml start`.

Serves label-studio-ml 1.0.9 (the release on PyPI) and 2.x (which makes a new instance for each request): all that is
heavy lives outside the instance, once in a process. The product's own server, `python -m backend serve`, needs none of
this and does more: its jobs run beside the requests.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from label_studio_ml.model import LabelStudioMLBase

from backend.errors import BackendError, NotFoundError
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.project import project_id_of, set_up_project
from backend.service.queue.predict import Predictor
from backend.settings import Settings, load_settings
from backend.storage.database import Database
from backend.worker.handlers import job_handlers
from backend.worker.runner import Runner

log = logging.getLogger(__name__)


class Engine:
    """Runtime, predictor and jobs of one process."""

    def __init__(self, settings: Settings) -> None:
        database = Database(settings.resolved_database_url)
        database.migrate()
        self.jobs = JobQueue(settings, database)
        self.runtime = Runtime(settings, database, self.jobs)
        self.predictor = Predictor(self.runtime)
        self._runner = Runner(self.jobs.ledger, job_handlers(self.runtime), wake=lambda: None)

    def run_pending(self, project_id: int) -> None:
        """Run the waiting jobs of a project, and those that they ask for, here and now."""
        tried: set[str] = set()
        while waiting := [job for job in self.jobs.ledger.waiting(project_id) if job not in tried]:
            for job_id in waiting:
                tried.add(job_id)
                self._runner.run(job_id)


def process_engine() -> Engine:
    """The engine of this process, made at the first call from the settings.

    1.0.9 forks a process for each event: what the parent had open is of no use there, so each process has its own.
    """
    return _engine_of(os.getpid())


@functools.cache
def _engine_of(_pid: int) -> Engine:
    return Engine(load_settings())


class LabelOrder(LabelStudioMLBase):  # type: ignore[misc]
    """Pre-annotates photos and learns from annotations."""

    def predict(self, tasks: Sequence[Mapping[str, Any]], context: Any = None, **kwargs: Any) -> list[Any]:
        """A prediction for each task, in order; `[]` where the photo cannot be read."""
        engine = process_engine()
        project_id = self._project_id(tasks, kwargs)
        set_up_project(engine.runtime, project_id, label_config=self.label_config)
        return engine.predictor.predict(project_id, tasks, engine.runtime.settings.predict_budget_seconds)

    def fit(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Learn from an event. 1.0.9 gives `event` and `data` by name, 2.x as the first two arguments.

        Returns: what became of it, always a dict: 1.0.9 stores it as the model's `train_output`.
        """
        event = kwargs.get("event") or (args[0] if args and isinstance(args[0], str) else "")
        data = kwargs.get("data") or (args[1] if len(args) > 1 and isinstance(args[1], Mapping) else {})
        if not event:
            return {"status": "nothing to do: no event"}
        engine = process_engine()
        try:
            outcome = handle_event(engine.runtime, str(event), data)
        except BackendError as error:
            log.warning("event %s is ignored: %s", event, error)
            return {"status": f"ignored: {error}"}
        engine.run_pending(outcome.project_id)
        return {"status": "done", "project": outcome.project_id, "jobs": dict(outcome.jobs)}

    def _project_id(self, tasks: Sequence[Mapping[str, Any]], kwargs: Mapping[str, Any]) -> int:
        candidates = [
            kwargs.get("project"),
            getattr(self, "project_id", None),
            *(task.get("project") for task in tasks[:1]),
        ]
        for candidate in candidates:
            if candidate not in (None, ""):
                return project_id_of(candidate)
        raise NotFoundError("The tasks name no project: send them as Label Studio does, with `project`.")
