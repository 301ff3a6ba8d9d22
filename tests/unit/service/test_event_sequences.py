"""Generated sequences of what people do in Label Studio, of events that come, come late, twice or never, and of polls.

Afterwards, whatever happened, a few polls later tasks, annotations and label config here are those of Label Studio.
`EVENT_SEQUENCES` plays more of them than the suite does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from backend.errors import BackendError
from backend.service.context.context import Runtime
from backend.service.ingest.polling import sync_project
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.project import find_project, set_up_project
from backend.service.versions.forgetting import forget_project
from backend.storage.schema import Annotation, Project, Task
from backend.sync.pull import OVERLAP
from tests.application import AppFactory
from tests.small_label_studio import SmallLabelStudio
from tests.unit.service.samples import CONFIG, choice

pytestmark = pytest.mark.unit

LONG_AGO = "2020-01-01T00:00:00.000000Z"
SEQUENCES = int(os.environ.get("EVENT_SEQUENCES", "40"))
LABELS = ("Tennis", "Golf")
POLLS = 4  # two that find the same difference, one for what that brought, one to spare

Event = tuple[str, dict[str, Any]]


class World:
    """A small Label Studio, its project here, and the events that are still on their way."""

    def __init__(self, label_studio: SmallLabelStudio, runtime: Runtime) -> None:
        self.there = label_studio
        self.runtime = runtime
        self.on_the_way: list[Event] = []
        self.newest = 3
        label_studio.tasks = {}
        self.config, self.changed_at = CONFIG, label_studio._now()
        label_studio.project["label_config"] = CONFIG
        for number in range(1, 4):
            self._task(number, label_studio._now())
        if _known(runtime):
            forget_project(runtime, 7)
        set_up_project(runtime, 7, label_config=CONFIG)
        self.poll()

    # What people do
    def annotate(self, task: int, label: str, fate: str) -> None:
        known = bool(self.there.tasks[task]["annotations"])
        row = self.there.annotate(task, choice(label))
        action = "ANNOTATION_UPDATED" if known else "ANNOTATION_CREATED"
        self._tell(fate, action, annotation=row, task={"id": task, "data": self.there.tasks[task]["data"]})

    def delete_annotation(self, task: int, fate: str) -> None:
        gone = self.there.delete_annotation(task)
        if gone:
            self._tell(fate, "ANNOTATIONS_DELETED", annotations=[{"id": number} for number in gone])

    def create_task(self, fate: str) -> None:
        self.newest += 1
        self._task(self.newest, self.there._now())
        shown = {"id": self.newest, "data": self.there.tasks[self.newest]["data"]}
        self._tell(fate, "TASKS_CREATED", tasks=[shown])

    def delete_task(self, task: int, fate: str) -> None:
        del self.there.tasks[task]
        self._tell(fate, "TASKS_DELETED", tasks=[{"id": task}])

    def change_config(self, label: str, fate: str) -> None:
        self.config, self.changed_at = CONFIG.replace("Golf", label), self.there._now()
        self.there.project["label_config"] = self.config
        self._tell(fate, "PROJECT_UPDATED")

    def commit_late(self, what: str, task: int) -> None:
        """A change that no stamp and no event shows. Polled before and after: two of them could make up for each other."""
        self.settle()
        if what == "task":
            self.newest += 1
            self._task(self.newest, LONG_AGO)
        elif self.there.tasks[task]["annotations"]:
            self.there.tasks[task]["annotations"] = []
        else:
            self.there._serial += 1
            row = {"id": self.there._serial, "task": task, "result": choice("Tennis"), "updated_at": LONG_AGO}
            self.there.tasks[task]["annotations"] = [row]
        self.settle()

    # What becomes known
    def deliver(self, place: int, keep: bool) -> None:
        if self.on_the_way:
            place %= len(self.on_the_way)
            self._hand_over(self.on_the_way[place] if keep else self.on_the_way.pop(place))

    def poll(self) -> None:
        sync_project(self.runtime, 7, lambda _fraction, _message: None, poll=True)

    def time_passes(self) -> None:
        """What was committed by now is older than a poll looks back."""
        with self.runtime.database.session() as session:
            read_at = session.get_one(Project, 7).synced_news_at
            if read_at is not None:
                session.execute(update(Project).values(synced_news_at=read_at - OVERLAP))

    def settle(self) -> None:
        for _ in range(POLLS):
            self.poll()
            self.time_passes()

    def check(self) -> None:
        with self.runtime.database.session() as session:
            tasks = set(session.scalars(select(Task.task_id)))
            live = session.scalars(select(Annotation).where(Annotation.deleted.is_(False)))
            annotations = {row.annotation_id: row.result for row in live}
        assert tasks == set(self.there.tasks)
        listed = {row["id"]: row["result"] for task in self.there.tasks.values() for row in task["annotations"]}
        assert annotations == listed
        assert find_project(self.runtime, 7).label_config == self.config

    def _task(self, number: int, stamp: str) -> None:
        data = {"image": f"/data/{number}.jpg"}
        self.there.tasks[number] = {
            "id": number,
            "data": data,
            "annotations": [],
            "predictions": [],
            "updated_at": stamp,
        }

    def _tell(self, fate: str, action: str, **parts: Any) -> None:
        project = {
            "id": 7,
            "title": "Small",
            "label_config": self.config,
            "created_at": self.there.project["created_at"],
            "updated_at": self.changed_at,
        }
        event = action, {"action": action, "project": project, **parts}
        if fate == "late":
            self.on_the_way.append(event)
        elif fate == "told":
            self._hand_over(event)

    def _hand_over(self, event: Event) -> None:
        handle_event(self.runtime, *event)


def _known(runtime: Runtime) -> bool:
    try:
        find_project(runtime, 7)
    except BackendError:
        return False
    return True


FATES = st.sampled_from(["told", "late", "lost"])
LABEL = st.sampled_from(LABELS)
PLACE = st.integers(0, 9)
Step = tuple[Any, ...]
STEPS = st.one_of(
    st.tuples(st.just("annotate"), PLACE, LABEL, FATES),
    st.tuples(st.just("delete_annotation"), PLACE, FATES),
    st.tuples(st.just("create_task"), FATES),
    st.tuples(st.just("delete_task"), PLACE, FATES),
    st.tuples(st.just("change_config"), st.sampled_from(["Rowing", "Chess", "Golf"]), FATES),
    st.tuples(st.just("commit_late"), st.sampled_from(["task", "annotation"]), PLACE),
    st.tuples(st.just("deliver"), PLACE, st.booleans()),
    st.tuples(st.just("poll")),
    st.tuples(st.just("time_passes")),
)


@pytest.fixture
def label_studio() -> Iterator[SmallLabelStudio]:
    with SmallLabelStudio(7, CONFIG, {}) as server:
        yield server


@pytest.fixture
def runtime(app_factory: AppFactory, label_studio: SmallLabelStudio) -> Runtime:
    return app_factory(label_studio_url=label_studio.url, label_studio_api_key="0" * 40).runtime


@settings(
    max_examples=SEQUENCES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
@given(steps=st.lists(STEPS, max_size=25))
def test_whatever_happens_a_few_polls_later_all_is_as_in_label_studio(
    runtime: Runtime, label_studio: SmallLabelStudio, steps: list[Step]
) -> None:
    world = World(label_studio, runtime)
    for name, *arguments in steps:
        take: Callable[..., None] = getattr(world, name)
        about_task = name in ("annotate", "delete_annotation", "delete_task", "commit_late")
        if about_task:
            place = 1 if name == "commit_late" else 0
            tasks = sorted(world.there.tasks)
            if not tasks:
                continue
            arguments[place] = tasks[arguments[place] % len(tasks)]
        take(*arguments)
    while world.on_the_way:
        world.deliver(0, keep=False)
    world.settle()
    world.check()
