"""Forgets a project that is not needed here any more. Nothing in Label Studio is touched."""

from __future__ import annotations

import logging
import shutil

from sqlalchemy import delete

from backend.errors import BackendError
from backend.reports import read_reports
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project
from backend.service.versions.artifacts import project_folder
from backend.storage.schema import Job, Project

log = logging.getLogger(__name__)

ALIVE_SECONDS = 15.0  # a worker tells of itself every 5 s


def forget_project(runtime: Runtime, project_id: int) -> None:
    """Delete a project's rows and files: tasks, annotations as known here, queue, versions, trained heads.

    Embeddings stay, other projects may show the same photos. A project that Label Studio still has, and that is connected,
    is known again with its next call.

    Raises:
        NotFoundError: it is not known.
        BackendError: `still_running`, a worker of this state is at work and keeps parts of the project in memory.
    """
    find_project(runtime, project_id)
    if any(report.age < ALIVE_SECONDS for report in read_reports(runtime.reports_folder)):
        raise BackendError(
            "The backend is running and keeps the project in memory: stop it, wait 15 s, then try again.",
            reason="still_running",
        )
    with runtime.database.session() as session:
        session.execute(delete(Job).where(Job.project_id == project_id))
        session.execute(delete(Project).where(Project.id == project_id))  # and with it all rows that refer to it
    shutil.rmtree(project_folder(runtime, project_id), ignore_errors=True)
    log.info("project %s is forgotten", project_id)
