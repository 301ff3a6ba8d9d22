"""Events of Label Studio: stored once, whatever their order and number."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as database_event
from sqlalchemy import select, update
from sqlalchemy.exc import DataError

from backend.errors import BackendError, NotFoundError
from backend.jobs.queue import JobQueue
from backend.labels import parse_label_config
from backend.service.context.context import Runtime
from backend.service.ingest.intake import take_all
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.annotations import agreed_target, live_annotations
from backend.service.projects.project import set_up_from_payload
from backend.storage.schema import Annotation, Project, Task
from tests.unit.service.samples import CONFIG, PROJECT, annotated, annotation, choice, task

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]


def handle(runtime: Runtime, event: dict[str, Any]) -> dict[str, str]:
    return handle_event(runtime, event["action"], event).jobs


def stored(runtime: Runtime) -> list[tuple[int, bool, list[Any], bool]]:
    with runtime.database.session() as session:
        rows = session.scalars(select(Annotation).order_by(Annotation.annotation_id))
        return [(row.annotation_id, row.deleted, row.result, row.was_cancelled) for row in rows]


def test_a_created_annotation_is_stored_with_its_task_and_asks_for_a_refresh(runtime: Runtime) -> None:
    jobs = handle(runtime, annotated("ANNOTATION_CREATED", annotation(11)))
    assert list(jobs) == ["refresh"]
    assert stored(runtime) == [(11, False, choice("Tennis"), False)]
    with runtime.database.session() as session:
        assert session.get_one(Task, (7, 1)).image == "/data/upload/7/1.jpg"
        assert session.get_one(Project, 7).title == "Sports"


def test_the_same_event_twice_changes_nothing_and_asks_for_nothing(runtime: Runtime) -> None:
    event = annotated("ANNOTATION_CREATED", annotation(11))
    handle(runtime, event)
    assert handle(runtime, event) == {}
    assert len(stored(runtime)) == 1


def test_an_update_that_overtakes_its_creation_wins(runtime: Runtime) -> None:
    handle(runtime, annotated("ANNOTATION_UPDATED", annotation(11, "Golf", second=5)))
    assert handle(runtime, annotated("ANNOTATION_CREATED", annotation(11, "Tennis", second=1))) == {}
    assert stored(runtime) == [(11, False, choice("Golf"), False)]


def test_a_deletion_that_overtakes_the_creation_wins(runtime: Runtime) -> None:
    handle(runtime, {"action": "ANNOTATIONS_DELETED", "project": PROJECT, "annotations": [{"id": 11}]})
    handle(runtime, annotated("ANNOTATION_CREATED", annotation(11)))
    assert [(row[0], row[1]) for row in stored(runtime)] == [(11, True)]


def test_predictions_turned_into_annotations_come_as_lists(runtime: Runtime) -> None:
    event = {
        "action": "ANNOTATIONS_CREATED",
        "project": PROJECT,
        "task": [task(1), task(2)],
        "annotation": [annotation(11, task=1), annotation(12, "Golf", task=2)],
    }
    handle(runtime, event)
    with runtime.database.session() as session:
        assert {key: [item.annotation_id for item in items] for key, items in live_annotations(session, 7).items()} == {
            1: [11],
            2: [12],
        }


def test_new_tasks_ask_for_embedding_and_for_a_listing(runtime: Runtime) -> None:
    jobs = handle(runtime, {"action": "TASKS_CREATED", "project": PROJECT, "tasks": [task(1), task(2)]})
    assert set(jobs) == {"embed", "sync"}


def test_deleted_tasks_take_their_annotations_along(runtime: Runtime) -> None:
    handle(runtime, annotated("ANNOTATION_CREATED", annotation(11)))
    handle(runtime, {"action": "TASKS_DELETED", "project": PROJECT, "tasks": [{"id": 1}]})
    assert [(row[0], row[1]) for row in stored(runtime)] == [(11, True)]
    with runtime.database.session() as session:
        assert session.get(Task, (7, 1)) is None


def test_start_training_asks_for_a_training(runtime: Runtime, jobs: JobQueue) -> None:
    asked = handle(runtime, {"action": "START_TRAINING", "project": PROJECT})
    assert jobs.ledger.get(asked["train"]).kind == "train"


def test_a_burst_becomes_one_job(runtime: Runtime) -> None:
    ids = {handle(runtime, annotated("ANNOTATION_CREATED", annotation(n, task=n)))["refresh"] for n in range(1, 20)}
    assert len(ids) == 1


def test_an_unknown_action_changes_nothing(runtime: Runtime) -> None:
    assert handle(runtime, {"action": "LABEL_STREAM_STARTED", "project": PROJECT}) == {}


def test_an_event_without_a_project_is_refused(runtime: Runtime) -> None:
    with pytest.raises(NotFoundError, match="project id"):
        handle(runtime, {"action": "ANNOTATION_CREATED", "annotation": annotation(1), "task": task(1)})


def test_an_annotation_without_an_id_is_refused(runtime: Runtime) -> None:
    with pytest.raises(BackendError, match="no annotation with an id"):
        handle(runtime, {"action": "ANNOTATION_CREATED", "project": PROJECT, "annotation": {}, "task": task(1)})


def test_a_task_without_an_image_is_kept_with_its_reason(runtime: Runtime) -> None:
    handle(runtime, {"action": "TASKS_CREATED", "project": PROJECT, "tasks": [{"id": 3, "data": {"text": "no photo"}}]})
    with runtime.database.session() as session:
        found = session.get_one(Task, (7, 3))
    assert found.failure == "no_image"
    assert "image" in (found.failure_detail or "")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_and_any_repetition_of_events_ends_in_the_same_state(runtime: Runtime, data: st.DataObject) -> None:
    base = data.draw(st.integers(0, 10**9), label="ids of this example") * 10
    states = [(1, 0, "Tennis"), (1, 7, "Golf"), (2, 3, "Golf"), (2, 9, "Not relevant"), (3, 1, "Tennis")]
    events = [
        annotated(
            "ANNOTATION_CREATED" if second < 3 else "ANNOTATION_UPDATED",
            annotation(base + n, label, second=second, task=n),
        )
        for n, second, label in states
    ]
    events.append({"action": "ANNOTATIONS_DELETED", "project": PROJECT, "annotations": [{"id": base + 3}]})
    repeated = data.draw(st.lists(st.sampled_from(events), max_size=5), label="delivered twice")
    for event in data.draw(st.permutations(events + repeated), label="order"):
        handle(runtime, event)
    mine = [(row[0] - base, row[1], row[2]) for row in stored(runtime) if base < row[0] <= base + 3]
    assert [(number, deleted) for number, deleted, _ in mine] == [(1, False), (2, False), (3, True)]
    assert [result for number, _, result in mine if number < 3] == [choice("Golf"), choice("Not relevant")]


MALFORMED: list[Any] = [["x"], [None], [1], {"a": 1}, "abc", [[[]]], [{"value": 3}], [{"from_name": []}], 7]


@pytest.mark.parametrize("result", MALFORMED)
def test_a_malformed_result_is_refused_at_the_door_and_named(runtime: Runtime, result: Any) -> None:
    with pytest.raises(BackendError, match=r"Annotation 11 cannot be read: result"):
        handle(runtime, annotated("ANNOTATION_CREATED", {**annotation(11), "result": result}))
    assert stored(runtime) == []


def test_of_several_annotations_the_malformed_one_alone_is_left_out(runtime: Runtime) -> None:
    event = {
        "action": "ANNOTATIONS_CREATED",
        "project": PROJECT,
        "task": [task(1), task(2), {"id": "x"}],
        "annotation": [annotation(11, task=1), {**annotation(12, task=2), "result": ["x"]}],
    }
    outcome = handle_event(runtime, event["action"], event)
    assert [row[0] for row in stored(runtime)] == [11]
    assert [fault.split(" cannot")[0] for fault in outcome.rejected] == ["Task x", "Annotation 12"]


def test_of_several_tasks_the_malformed_one_alone_is_left_out(runtime: Runtime) -> None:
    tasks = [task(1), 1, {"id": 2**70, "data": {}}, {"id": True}, {"id": 3, "data": "x"}, task(4)]
    event = {"action": "TASKS_CREATED", "project": PROJECT, "tasks": tasks}
    assert len(handle_event(runtime, event["action"], event).rejected) == 4
    with runtime.database.session() as session:
        assert list(session.scalars(select(Task.task_id).order_by(Task.task_id))) == [1, 4]


@pytest.mark.parametrize("result", MALFORMED)
def test_a_malformed_result_in_the_store_is_skipped_and_named(
    runtime: Runtime, result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    handle(runtime, annotated("ANNOTATION_CREATED", annotation(11)))
    with runtime.database.session() as session:
        session.add(Annotation(project_id=7, annotation_id=12, task_id=2, result=result))
    with runtime.database.session() as session:
        assert list(live_annotations(session, 7)) == [1]
    assert "annotation 12 of task 2, project 7 is left out: result" in caplog.text


def test_a_stamp_of_the_far_future_does_not_shut_out_the_truth(runtime: Runtime) -> None:
    handle(runtime, annotated("ANNOTATION_CREATED", annotation(11, "Golf", updated_at="9999-12-31T23:59:59Z")))
    assert stored(runtime) == [(11, False, choice("Golf"), False)]
    handle(runtime, annotated("ANNOTATION_UPDATED", annotation(11, "Tennis", second=5)))
    assert stored(runtime) == [(11, False, choice("Tennis"), False)]


@pytest.mark.parametrize("stamp", ["yesterday", 5, [1], {"a": 1}])
def test_a_stamp_that_is_no_time_is_refused(runtime: Runtime, stamp: Any) -> None:
    with pytest.raises(BackendError, match=r"Annotation 11 cannot be read: updated_at"):
        handle(runtime, annotated("ANNOTATION_CREATED", annotation(11, updated_at=stamp)))


def test_a_title_longer_than_its_column_is_cut(runtime: Runtime) -> None:
    handle(runtime, {"action": "PROJECT_UPDATED", "project": {**PROJECT, "title": "x" * 1000}})
    with runtime.database.session() as session:
        assert session.get_one(Project, 7).title == "x" * 255


def test_a_project_that_stays_as_it_was_writes_nothing(runtime: Runtime) -> None:
    event = annotated("ANNOTATION_CREATED", annotation(11))
    handle(runtime, event)
    with runtime.database.session() as session:
        session.execute(update(Project).values(created_at=Project.created_at))  # this one holds the lock to write
        assert set_up_from_payload(runtime, PROJECT).title == "Sports"


def row(number: int, label: str, *, ground_truth: bool = False, was_cancelled: bool = False) -> Annotation:
    result = [] if was_cancelled else choice(label)
    return Annotation(annotation_id=number, result=result, ground_truth=ground_truth, was_cancelled=was_cancelled)


@pytest.mark.parametrize(
    ("rows", "agreed"),
    [
        ([row(1, "Tennis"), row(2, "Golf"), row(3, "Golf")], "Golf"),  # the majority
        ([row(1, "Golf"), row(2, "Golf"), row(3, "Tennis")], "Golf"),  # the majority, though older
        ([row(1, "Tennis"), row(2, "Golf")], "Golf"),  # a tie: the newest
        ([row(1, "Tennis", ground_truth=True), row(2, "Golf"), row(3, "Golf")], "Tennis"),  # ground truth wins
        ([row(1, "Tennis"), row(2, "Golf", was_cancelled=True)], "Tennis"),  # a skip says nothing
        ([row(1, "Tennis", was_cancelled=True)], None),
    ],
)
def test_what_annotators_agree_on(rows: list[Annotation], agreed: str | None) -> None:
    control = parse_label_config(CONFIG).controls[0]
    target = agreed_target(rows, control)
    if agreed is None:
        assert target is None
    else:
        assert target is not None
        assert control.labels[int(target.argmax())].value == agreed


def test_events_that_waited_are_stored_in_their_order(runtime: Runtime) -> None:
    def said(title: str, config: str) -> dict[str, Any]:
        return {**PROJECT, "title": title, "label_config": config}

    other = CONFIG.replace("Golf", "Chess")
    told = annotated("ANNOTATION_CREATED", annotation(11))
    events = [
        {"action": "PROJECT_UPDATED", "project": said("first", CONFIG)},
        {**told, "project": said("second", other)},
        {**told, "project": said("third", CONFIG)},
        {**told, "project": said("last", other)},
    ]
    take_all(runtime, [(event["action"], event) for event in events])
    with runtime.database.session() as session:
        project = session.get_one(Project, 7)
        assert (project.title, project.label_config) == ("last", other)


def test_an_event_that_the_database_cannot_hold_has_its_error_and_the_others_are_stored(runtime: Runtime) -> None:
    def refuse(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if "cannot be held" in str(parameters):
            raise DataError(statement, parameters, ValueError("out of range"))

    events = [
        annotated("ANNOTATION_CREATED", annotation(11)),
        {"action": "PROJECT_UPDATED", "project": {**PROJECT, "title": "cannot be held"}},
        annotated("ANNOTATION_CREATED", annotation(12)),
    ]
    database_event.listen(runtime.database.engine, "before_cursor_execute", refuse)
    outcomes = take_all(runtime, [(event["action"], event) for event in events])
    assert [isinstance(outcome, DataError) for outcome in outcomes] == [False, True, False]
    assert [row[0] for row in stored(runtime)] == [11, 12]
