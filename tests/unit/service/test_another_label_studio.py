"""Another address of Label Studio: the same projects are read anew, others of the same number are left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from backend.errors import AnotherProjectError
from backend.service.ingest.polling import poll_projects
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.identity import client_for, made_at_of
from backend.service.projects.project import find_project, list_projects, set_up_project
from backend.service.versions.forgetting import forget_project
from backend.storage.schema import Annotation, Job, Task
from tests.small_label_studio import SmallLabelStudio
from tests.unit.service.connected import TASKS, Connected, settled

pytestmark = pytest.mark.unit

OTHER_MAKING = "2019-05-05T05:05:05.000005Z"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Connected]:
    with settled(tmp_path) as connected:
        yield connected


def copy_of(made: Connected) -> SmallLabelStudio:
    """The same project elsewhere, as after its database was moved or copied."""
    there = made.label_studio
    copied = SmallLabelStudio(1, there.project["label_config"], {})
    copied.project = {**there.project}
    copied.tasks = {
        number: {**task, "annotations": [dict(row) for row in task["annotations"]], "predictions": []}
        for number, task in there.tasks.items()
    }
    copied._serial = there._serial
    copied._clock = there._clock
    return copied


def use(made: Connected, label_studio: SmallLabelStudio) -> None:
    made.label_studio = label_studio
    made.open()


def changes(label_studio: SmallLabelStudio) -> list[str]:
    """What was done to it, kept as it happens."""
    done: list[str] = []
    answer = label_studio.answer

    def watching(method: str, target: str, body: object) -> tuple[int, object]:
        if method != "GET":
            done.append(f"{method} {target}")
        return answer(method, target, body)

    label_studio.answer = watching  # type: ignore[method-assign]
    return done


def test_a_moved_label_studio_is_read_from_the_beginning_and_gets_the_queue(made: Connected) -> None:
    with copy_of(made) as copied:
        # It was copied some time ago: what its stamps say is older than what was read last.
        copied.tasks[1]["annotations"][0] |= {"result": [], "updated_at": "2026-01-01T00:00:01Z"}
        copied.tasks[2] |= {"annotations": [], "updated_at": "2026-01-01T00:00:01Z"}
        use(made, copied)
        made.poll()
        made.check()
        assert made.project.row.synced_from == copied.url


def test_into_another_project_of_the_same_number_nothing_is_written_and_of_it_nothing_is_kept(made: Connected) -> None:
    before = made.project.row
    with SmallLabelStudio(1, before.label_config, {number: {"i": "/other.jpg"} for number in TASKS}) as other:
        other.project |= {
            "created_at": OTHER_MAKING,
            "title": "Somebody else's",
            "model_version": before.published_version,
        }
        other.annotate(2, [])
        use(made, other)
        done = changes(other)
        made.run("refresh", {"republish": True})  # one that waited since before the address was changed
        made.poll()
        made.run("refresh", {"republish": True})
        assert done == []
        with made.project.database.session() as session:
            assert all(image != "/other.jpg" for image in session.scalars(select(Task.image)))
            assert session.scalars(select(Annotation.task_id).distinct().order_by(Annotation.task_id)).all() == [
                1,
                2,
                3,
                4,
            ]
        row = made.project.row
        assert row.another_made_at == made_at_of({"created_at": OTHER_MAKING})
        assert (row.title, row.synced_at) == (before.title, before.synced_at)
        with pytest.raises(AnotherProjectError, match="another Label Studio"):
            client_for(made.project.runtime, row)
        poll_projects(made.project.runtime)
        assert made.project.jobs.ledger.waiting(1) == [], "it is left alone"


def test_events_and_set_ups_of_another_project_are_refused(made: Connected) -> None:
    there = made.label_studio
    event = {
        "action": "ANNOTATION_CREATED",
        "project": {"id": 1, "title": "Somebody else's", "created_at": OTHER_MAKING},
        "task": {"id": 6, "data": {"i": "/other.jpg"}},
        "annotation": {"id": 900, "task": 6, "result": [], "updated_at": "2026-02-02T00:00:00Z"},
    }
    for action in ("ANNOTATION_CREATED", "TASKS_DELETED", "START_TRAINING"):
        with pytest.raises(AnotherProjectError):
            handle_event(made.project.runtime, action, {**event, "action": action, "tasks": [{"id": 6}]})
    with pytest.raises(AnotherProjectError):
        set_up_project(
            made.project.runtime, 1, label_config=there.project["label_config"], made_at=made_at_of("1.1557032705")
        )
    made.check()


def test_once_the_address_is_right_again_the_project_goes_on(made: Connected) -> None:
    there = made.label_studio
    with SmallLabelStudio(1, there.project["label_config"], {}) as other:
        other.project["created_at"] = OTHER_MAKING
        use(made, other)
        made.poll()
    assert made.project.row.missing_since is not None
    made.label_studio = there
    made.answer_anew()
    made.open()
    poll_projects(made.project.runtime, missing=True)  # as a worker does when it starts
    made.project.run_waiting()
    assert made.project.row.missing_since is None
    made.check()


def test_a_project_deleted_in_label_studio_leaves_no_failed_jobs_and_can_be_forgotten(made: Connected) -> None:
    there = made.label_studio
    there.project = {**there.project, "id": 2}  # 404 for number 1
    made.run("refresh", {"republish": True})
    made.project.jobs.enqueue("embed", 1)
    made.project.jobs.enqueue("train", 1)
    made.poll()
    made.project.run_waiting()
    assert made.project.row.missing_since is not None
    jobs = made.project.jobs.ledger.of_project(1, 50)
    assert [job.kind for job in jobs if job.status == "failed"] == []
    seen = len(jobs)
    for _ in range(3):
        poll_projects(made.project.runtime, missing=True)
        made.poll()
    assert len(made.project.jobs.ledger.of_project(1, 50)) == seen, "asking again leaves no trace"
    folder = made.project.settings.state_dir / "projects" / "1"
    assert folder.is_dir()
    forget_project(made.project.runtime, 1)
    assert list_projects(made.project.runtime) == []
    assert not folder.exists()
    with made.project.database.session() as session:
        for table in (Task, Annotation, Job):
            assert session.scalars(select(table)).all() == []


def test_a_project_known_from_before_learns_when_it_was_made(made: Connected) -> None:
    with made.project.database.session() as session:
        session.merge(find_project(made.project.runtime, 1)).made_at = None
    made.poll()
    assert made.project.row.made_at == made_at_of(made.label_studio.project)


@pytest.mark.parametrize(
    ("told", "second"),
    [
        ("7.1700000000", 1700000000),
        ("7", None),
        (7, None),
        ("7.1", None),
        ("7.99999999999999999999", None),
        ("7.²", None),
        ({"id": 7, "created_at": "2023-11-14T22:13:20.999999Z"}, 1700000000),
        ({"id": 7, "created_at": "2023-11-15T00:13:20.5+02:00"}, 1700000000),
        ({"id": 7, "created_at": "2999-01-01T00:00:00Z"}, None),
        ({"id": 7, "created_at": 5}, None),
        ({"id": 7}, None),
        (None, None),
    ],
)
def test_when_a_project_was_made_is_read_from_what_label_studio_sends(told: object, second: int | None) -> None:
    found = made_at_of(told)
    assert (found and found.timestamp()) == second
