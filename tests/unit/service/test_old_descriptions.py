"""An event carries the label config of the moment it was sent: one that comes late does not bring the old one back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from backend.service.context.context import Runtime
from backend.service.ingest.intake import EventIntake, take_all
from backend.service.ingest.polling import sync_project
from backend.service.projects.project import find_project, set_up_project
from backend.storage.schema import Annotation
from tests.application import AppFactory
from tests.small_label_studio import SmallLabelStudio
from tests.unit.service.samples import CONFIG, annotation, task

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

CHANGED = CONFIG.replace("Golf", "Rowing")


def described(config: str, second: int, title: str = "Sports") -> dict[str, Any]:
    """The project as webhooks carry it: with the stamp of its own last change."""
    stamps = {"created_at": "2026-01-01T00:00:00.500000Z", "updated_at": f"2026-01-02T00:00:{second:02}.000000Z"}
    return {"id": 7, "title": title, "label_config": config, **stamps}


def answered(number: int, project: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    event = {"project": project, "task": task(number), "annotation": annotation(number, task=number)}
    return "ANNOTATION_CREATED", {"action": "ANNOTATION_CREATED", **event}


def updated(project: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "PROJECT_UPDATED", {"action": "PROJECT_UPDATED", "project": project}


def config(runtime: Runtime) -> str:
    return find_project(runtime, 7).label_config


def test_an_event_from_before_a_change_is_stored_and_changes_nothing_else(runtime: Runtime) -> None:
    intake = EventIntake(runtime)
    intake.take(*answered(1, described(CONFIG, 1)))
    intake.take(*updated(described(CHANGED, 5, "Water sports")))
    intake.take(*answered(2, described(CONFIG, 1)))
    assert config(runtime) == CHANGED
    assert find_project(runtime, 7).title == "Water sports"
    with runtime.database.session() as session:
        assert session.get(Annotation, (7, 2)) is not None


def test_events_of_before_and_after_a_change_that_are_stored_together_end_with_the_newer_one(runtime: Runtime) -> None:
    before, after = described(CONFIG, 1), described(CHANGED, 5)
    take_all(runtime, [answered(1, after), answered(2, before), answered(3, after), answered(4, before)])
    assert config(runtime) == CHANGED


def test_what_label_studio_says_in_a_call_of_its_own_is_the_present_state(runtime: Runtime) -> None:
    intake = EventIntake(runtime)
    intake.take(*answered(1, described(CONFIG, 1)))
    set_up_project(runtime, 7, label_config=CHANGED)
    intake.take(*answered(2, described(CONFIG, 1)))
    assert config(runtime) == CHANGED
    intake.take(*answered(3, described(CONFIG, 9)))
    assert config(runtime) == CONFIG, "changed back since"


def test_a_project_without_a_stamp_is_taken_as_it_comes(runtime: Runtime) -> None:
    intake = EventIntake(runtime)
    for said in (CONFIG, CHANGED, CONFIG):
        intake.take(*updated({"id": 7, "label_config": said, "updated_at": None}))
        assert config(runtime) == said


@pytest.fixture
def label_studio() -> Iterator[SmallLabelStudio]:
    with SmallLabelStudio(7, CONFIG, {1: {"image": "/data/1.jpg"}}) as server:
        server.project["created_at"] = "2026-01-01T00:00:00.500000Z"
        yield server


def test_a_poll_is_right_unless_an_event_overtook_it(
    app_factory: AppFactory, label_studio: SmallLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_factory(label_studio_url=label_studio.url, label_studio_api_key="0" * 40)
    runtime = app.runtime
    intake = EventIntake(runtime)
    intake.take(*updated(described(CONFIG.replace("Tennis", "Chess"), 9)))

    def poll() -> None:
        sync_project(runtime, 7, lambda _fraction, _message: None, poll=True)

    poll()
    assert config(runtime) == CONFIG, "Label Studio was put back to an earlier state"

    answer = label_studio.answer

    def overtaken(method: str, target: str, body: Any) -> tuple[int, Any]:
        found = answer(method, target, body)
        if target.startswith("/api/projects/"):
            intake.take(*updated(described(CHANGED, 20)))
        return found

    monkeypatch.setattr(label_studio, "answer", overtaken)
    poll()
    assert config(runtime) == CHANGED
