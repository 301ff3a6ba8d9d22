"""The labels of a project: its config read once, with the labels that its tasks bring (`value="$key"`).

Those of the tasks are kept with the project, as tasks come: looking them up costs nothing that grows with the pool.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.errors import LabelConfigError
from backend.labels import LabelConfig
from backend.service.context.context import Runtime
from backend.service.context.label_cache import ProjectLabels
from backend.storage.schema import Project, Task

PAGE = 5000  # tasks read at a time, where the options of tasks stored before are gathered

Options = dict[str, list[Any]]


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
    if config.dynamic_keys:
        known = project.dynamic_options
        if not known.keys() >= set(config.dynamic_keys):  # the config names a key that nobody looked at before
            with runtime.database.session() as session:
                known = keep_options(session, project.id, config, ())
        config = config.with_task(known)
    labels = runtime.labels.get(config, lambda: runtime.wordnet)
    if not labels.spaces:
        raise LabelConfigError(f"Project {project.id} has no label yet: its tasks bring none in their data.")
    return labels


def keep_options(session: Session, project_id: int, config: LabelConfig, data: Iterable[Mapping[str, Any]]) -> Options:
    """Add the options that tasks' `data` bring to those of their project; all that are known by now, by key.

    For a key that was not asked for before, the tasks that are stored already are read once.
    """
    if not config.dynamic_keys:
        return {}
    project = session.get_one(Project, project_id, with_for_update=True, populate_existing=True)
    known = project.dynamic_options
    unread = [key for key in config.dynamic_keys if key not in known]
    merged = _merge(known, config.dynamic_keys, data)
    if unread:
        merged = _merge(merged, unread, _stored_data(session, project_id))
    if merged != known:
        project.dynamic_options = merged
    return merged


def _merge(known: Options, keys: Iterable[str], data: Iterable[Mapping[str, Any]]) -> Options:
    """`known` with the options of `data` after them, each once: a label keeps its place."""
    merged = {**known, **{key: list(known.get(key, ())) for key in keys}}
    seen = {key: {_text(option) for option in merged[key]} for key in keys}
    for item in data:
        for key, texts in seen.items():
            options = item.get(key)
            for option in options if isinstance(options, list) else ():
                if (text := _text(option)) not in texts:
                    texts.add(text)
                    merged[key].append(option)
    return merged


def _text(option: object) -> str:
    return json.dumps(option, sort_keys=True)


def _stored_data(session: Session, project_id: int) -> Iterator[Mapping[str, Any]]:
    query = select(Task.data).where(Task.project_id == project_id).order_by(Task.task_id)
    yield from session.scalars(query.execution_options(yield_per=PAGE))
