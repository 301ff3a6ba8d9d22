"""Whatever happens to a project while its Label Studio fails now and then: once that is over the queue is the window."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import delete, select

from backend.errors import LabelStudioError
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.project import find_project, set_up_project
from backend.storage.schema import Job, Task
from backend.sync import storing
from tests.application import AppFactory, Application
from tests.unit.service.samples import CONFIG
from tests.unit.service.team import PROJECT, Team

pytestmark = [pytest.mark.unit, pytest.mark.long]

PEOPLE = 3
WINDOW = 50
TURNED = CONFIG.replace(
    '<Choice value="Tennis"/><Choice value="Golf"/>', '<Choice value="Golf"/><Choice value="Tennis"/>'
)
CONFIGS = (
    CONFIG,
    TURNED,
    CONFIG.replace("Tennis", "Chess"),
    CONFIG.replace("<View>", '<View><Header value="$why_now"/>'),
)
STEPS = [*["answer"] * 8, *["order"] * 6, "poll", "delete", "take back", "labels", "idle", "faults", "no faults"]


@pytest.fixture
def application(app_factory: AppFactory) -> Application:
    return app_factory(backbone="efficientnet_lite2", retrain_every=1000)


class Story:
    """What happens, drawn at random."""

    def __init__(self, team: Team, seed: int) -> None:
        self.team, self.random, self.faults = team, random.Random(seed), 0.0
        self._answer = team.label_studio.answer

    def faulty(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """What Label Studio answers: it may fail before, or after, a call took effect."""
        if self.random.random() >= self.faults:
            return self._answer(method, target, body)
        if self.random.random() < 0.5:
            self._answer(method, target, body)
        return self.random.choice([400, 404, 429, 500, 503]), {"detail": "a fault"}

    def order(self, *, polled: bool = False) -> None:
        try:
            self.team.refresh(polled=polled)
        except LabelStudioError:
            assert self.faults

    def tell(self, action: str, name: str, ids: list[int]) -> None:
        if ids:
            handle_event(
                self.team.runtime, action, {"project": {"id": PROJECT}, name: [{"id": number} for number in ids]}
            )

    def idle(self) -> None:
        with self.team.runtime.database.session() as session:
            session.execute(delete(Job))

    def step(self) -> None:
        label_studio, step = self.team.label_studio, self.random.choice(STEPS)
        if step == "answer":
            for _ in range(self.random.randint(1, 6)):
                person = self.random.randint(1, PEOPLE)
                if label_studio.hand_out(person) is not None:
                    self.team.answer(person)
        elif step in ("order", "poll"):
            self.order(polled=step == "poll")
        elif step == "delete":
            most = self.random.choice([1, 3, len(label_studio.tasks) // 3])
            gone = self.random.sample(sorted(label_studio.tasks), min(most, len(label_studio.tasks)))
            for task in gone:
                del label_studio.tasks[task]
            if self.random.random() < 0.7:  # else nobody tells
                self.tell("TASKS_DELETED", "tasks", gone)
        elif step == "take back":
            done = [number for number, task in label_studio.tasks.items() if task["annotations"]]
            some = self.random.sample(done, self.random.randint(0, len(done)))
            gone = [number for task in some for number in label_studio.delete_annotation(task)]
            self.tell("ANNOTATIONS_DELETED", "annotations", gone)
        elif step == "labels":
            label_studio.project["label_config"] = self.random.choice(CONFIGS)
            set_up_project(self.team.runtime, PROJECT, label_config=label_studio.project["label_config"])
        elif step == "idle":
            self.idle()
        else:
            self.faults = self.random.choice([0.05, 0.3, 1.0]) if step == "faults" else 0.0


@pytest.mark.parametrize(("photos", "seed"), [(1, 1), (2, 2), (12, 3), (60, 4), (300, 5)])
def test_the_queue_is_the_window_in_the_end(
    team: Team, photos: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 2:
        monkeypatch.setattr(storing, "TASKS_PER_CALL", 5)  # stored by a call each
    label_studio, story = team.label_studio, Story(team, seed)
    for task in [task for task in label_studio.tasks if task > photos]:
        del label_studio.tasks[task]
    with team.runtime.database.session() as session:
        session.execute(delete(Task).where(Task.task_id > photos))
        for known in session.scalars(select(Task)):
            known.image = f"/data/upload/{PROJECT}/{known.task_id}.jpg"  # as events name it
    monkeypatch.setattr(label_studio, "answer", story.faulty)
    for _ in range(40):
        story.step()
    story.faults = 0.0
    with team.runtime.database.session() as session:
        unknown = sorted({*session.scalars(select(Task.task_id))} - {*label_studio.tasks})
    story.tell("TASKS_DELETED", "tasks", unknown)  # a poll finds them
    for _ in range(3):
        story.idle()
        story.order(polled=True)
    unanswered = {number for number, task in label_studio.tasks.items() if not task["annotations"]}
    assert set(team.window()) <= unanswered
    assert len(team.window()) == min(WINDOW, len(unanswered))
    assert team.places() == team.window()
    assert not label_studio.tasks or find_project(team.runtime, PROJECT).window_settled
