"""The labels of a project: its config read once, with the labels that its tasks bring (`value="$key"`)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import select

from backend.errors import LabelConfigError
from backend.labels import LabelConfig
from backend.service.context.context import Runtime
from backend.service.context.label_cache import ProjectLabels
from backend.storage.schema import Project, Task


def labels_of(runtime: Runtime, project: Project) -> ProjectLabels:
    """The labels of a project.

    Raises:
        LabelConfigError: the project has no usable config, or none of its controls has a label yet.
    """
    if not project.label_config:
        raise LabelConfigError(
            f"Project {project.id} has no label config yet: set one in Settings > Labeling Interface."
        )
    config = runtime.labels.parse(project.label_config)
    if any(control.dynamic_key for control in config.controls):
        config = _with_labels_of_tasks(runtime, project, config)
    labels = runtime.labels.get(config, lambda: runtime.wordnet)
    if not labels.spaces:
        raise LabelConfigError(f"Project {project.id} has no label yet: its tasks bring none in their data.")
    return labels


def _with_labels_of_tasks(runtime: Runtime, project: Project, config: LabelConfig) -> LabelConfig:
    keys = [control.dynamic_key for control in config.controls if control.dynamic_key]
    with runtime.database.session() as session:
        data = list(session.scalars(select(Task.data).where(Task.project_id == project.id).order_by(Task.task_id)))
    distinct = {json.dumps([item.get(key) for key in keys], sort_keys=True): item for item in data}
    return _union(config, list(distinct.values()))


def _union(config: LabelConfig, tasks: Sequence[dict[str, object]]) -> LabelConfig:
    for task in tasks:
        config = config.with_task(task)
    return config
