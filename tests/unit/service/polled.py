"""A project that polls bring here from a small Label Studio."""

from __future__ import annotations

from backend.service.context.context import Runtime
from backend.storage.schema import Project
from tests.application import AppFactory
from tests.small_label_studio import SmallLabelStudio
from tests.unit.service.samples import CONFIG

POLLED = 7


def label_studio_of(tasks: int) -> SmallLabelStudio:
    """Project `POLLED` with tasks from 1."""
    return SmallLabelStudio(
        POLLED, CONFIG, {number: {"image": f"/data/{number}.jpg"} for number in range(1, tasks + 1)}
    )


def runtime_of(app_factory: AppFactory, label_studio: SmallLabelStudio) -> Runtime:
    """What polls that project, of which nothing but the labels is known."""
    app = app_factory(label_studio_url=label_studio.url, label_studio_api_key="0" * 40)
    with app.database.session() as session:
        session.add(Project(id=POLLED, label_config=CONFIG, title="Sports"))
    return app.runtime
