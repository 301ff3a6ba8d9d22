"""A training that a person asks for: checked before it becomes a job, whether it comes by command or by call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.errors import SettingsError
from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.projects.options import adaptation_options, project_options
from backend.service.projects.project import find_project
from backend.service.training.fine_tune import fine_tune_options


def request_training(
    runtime: Runtime, project_id: int, adaptation: Mapping[str, Any], fine_tune: Mapping[str, Any] | None = None
) -> str:
    """Ask for a training, or for a fine-tuning of the backbone; the job's id.

    Args:
        adaptation: hyper-parameters of the projection that differ from the project's.
        fine_tune: hyper-parameters of the fine-tuning, `epochs` at least; None: a training.

    Raises:
        NotFoundError: the project is not set up.
        SettingsError: a hyper-parameter is unknown or not allowed, or both kinds are given.
    """
    project = find_project(runtime, project_id)
    if fine_tune is None:
        adaptation_options(project_options(runtime.settings, project.extra_params).adaptation, adaptation)
        return runtime.jobs.enqueue(JobKind.TRAIN, project_id, {"adaptation": dict(adaptation)} if adaptation else {})
    if adaptation:
        raise SettingsError("A fine-tuning goes without the options of the projection: train again afterwards.")
    fine_tune_options(fine_tune)
    return runtime.jobs.enqueue(JobKind.FINE_TUNE, project_id, dict(fine_tune))
