"""The queue window on a real Label Studio: what is published is what annotators are served, in that order."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from published import SUPERSEDED_AT, publish, tasks_of, window_of

from backend.demo.label_studio_process import LabelStudioProcess
from backend.errors import LabelStudioError
from backend.sync.client import LabelStudioClient
from backend.sync.connect import SAMPLING
from backend.sync.placing import LAST
from backend.sync.publish import Publication, WindowItem
from backend.sync.storing import store_predictions
from backend.sync.version_names import SupersededName

pytestmark = pytest.mark.e2e

Choice = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def window(client: LabelStudioClient, make_project, choice: Choice) -> Callable[..., tuple[int, list[WindowItem]]]:
    """A project with uncertainty sampling, and a window over some of its tasks in an order unlike their ids."""

    def make(tasks: int, size: int) -> tuple[int, list[WindowItem]]:
        project = make_project(tasks, sampling=SAMPLING)
        ids = [task["id"] for task in client.iter_tasks(project)]
        return project, window_of(random.Random(tasks).sample(ids, size), choice)

    return make


# As many tasks as the project is taken to have: new predictions come in one import, or each by a call of its own.
@pytest.mark.parametrize("project_size", [60, 100_000])
def test_one_annotator_is_served_the_published_order(
    client: LabelStudioClient, window, choice: Choice, project_size: int
) -> None:
    project, items = window(60, 40)
    # Predictions of other origins must not disturb the order: an older version with opposite scores, and one of a file.
    for version in ("older", "imported by hand"):
        foreign = [
            {"task": item.task_id, "result": item.result, "score": 1 - place / 100, "model_version": version}
            for place, item in enumerate(items)
        ]
        assert client.import_predictions(project, foreign) == len(items)

    config = client.project(project)["label_config"]
    report = publish(client, project, "model", items, tasks=project_size, label_config=config)

    assert report.published == tuple(tasks_of(items))
    assert report.moved
    assert not report.dropped
    assert client.model_versions(project) == {"older": 40, "imported by hand": 40, "model": 40}
    served = []
    for position in range(len(items)):
        task = client.next_task(project)
        served.append(task["id"])
        client.annotate(task["id"], choice("cat"), was_cancelled=position % 5 == 4)
    assert served == [item.task_id for item in items]


def test_a_new_order_is_served_and_every_prediction_stays_valid(
    client: LabelStudioClient, window, choice: Choice
) -> None:
    project, items = window(30, 20)
    publish(client, project, "model", items)
    shown = {row["task"]: row["id"] for row in client.predictions(project, "model")}
    for _ in range(5):
        client.annotate(client.next_task(project)["id"], choice("rocket"))
    joining = [task["id"] for task in client.iter_tasks(project) if task["id"] not in tasks_of(items)][:4]
    leaving = tasks_of(items[5:8])
    order = [*window_of(joining, choice), *reversed(items[8:])]

    report = publish(client, project, "model", order, earlier=tasks_of(items))

    assert not report.moved
    assert client.model_versions(project) == {"model": 24}, "those that left are behind the window"
    publish(client, project, "model", order, earlier=tasks_of(items))
    assert client.model_versions(project) == {"model": 21, str(SupersededName("model", SUPERSEDED_AT)): 3}
    # Whoever opened a photo before can still submit it, also one that lost its place.
    for task in (leaving[0], tasks_of(items)[10]):
        assert _submit(client, task, choice("cat"), shown[task])["parent_prediction"] == shown[task]
    served = []
    for _ in range(8):
        served.append(client.next_task(project)["id"])
        client.annotate(served[-1], choice("cup"))
    assert served == [task for task in tasks_of(order) if task != tasks_of(items)[10]][:8]


def test_a_photo_that_somebody_holds_open_keeps_its_suggestion_while_orders_pass(
    client: LabelStudioClient, window, choice: Choice
) -> None:
    project, items = window(12, 8)
    publish(client, project, "model", items)
    held = client.next_task(project)
    shown = [row["id"] for row in held["predictions"]]
    assert shown
    for _ in range(3):
        publish(client, project, "model", items[1:], earlier=tasks_of(items), held=[held["id"]], sweep=True)
        again = client.next_task(project)  # the page is reloaded
        assert (again["id"], [row["id"] for row in again["predictions"]]) == (held["id"], shown)
    assert _submit(client, held["id"], choice("cat"), shown[0])["parent_prediction"] == shown[0]
    assert client.next_task(project)["id"] == items[1].task_id


def test_another_suggestion_is_another_prediction(client: LabelStudioClient, window, choice: Choice) -> None:
    project, items = window(8, 5)
    publish(client, project, "model", items)
    shown = {row["task"]: row for row in client.predictions(project, "model")}
    first, second = tasks_of(items)[:2]
    items[0] = WindowItem(first, choice("rocket"))
    items[1] = WindowItem(second, [{**choice("cat")[0], "score": 0.9}])
    publish(client, project, "model", items, earlier=tasks_of(items))
    now = {row["task"]: row for row in client.predictions(project, "model")}
    assert now[first]["id"] != shown[first]["id"]
    assert now[second]["id"] == shown[second]["id"], "only its probability is another"
    assert client.prediction(shown[first]["id"])["result"] == choice("cat")
    assert _submit(client, first, choice("cat"), shown[first]["id"])["parent_prediction"] == shown[first]["id"]
    assert client.next_task(project)["id"] == second


def test_the_next_places_are_right_before_the_rest_is_settled(
    client: LabelStudioClient, window, choice: Choice
) -> None:
    project, items = window(70, 60)
    publish(client, project, "model", items)
    order = [*reversed(items)]
    superseded = SupersededName("model", SUPERSEDED_AT)
    begun = Publication(client, project, "model", order, superseded, earlier=tasks_of(items))
    right = begun.begin().right
    assert not begun.settle(lambda: False), "a newer order waits"
    stored = [task for task, _ in _stored(client, project, "model")]
    assert 10 <= right < 60
    assert stored != tasks_of(order)
    assert stored[:right] == tasks_of(order)[:right]
    assert publish(client, project, "model", order, earlier=tasks_of(order)).right < 60
    assert [task for task, _ in _stored(client, project, "model")] == tasks_of(order)


def test_a_label_studio_that_is_slow_serves_as_many_first_places_as_are_said_to_be_right(
    client: LabelStudioClient, window, choice: Choice
) -> None:
    project, items = window(30, 25)
    publish(client, project, "model", items)
    order = [*items[20:], *items[:20]][::-1]
    steps = iter(range(8))
    begun = Publication(
        client, project, "model", order, SupersededName("model", SUPERSEDED_AT), earlier=tasks_of(items)
    )
    right = begun.begin(lambda: next(steps, None) is not None).right
    assert 0 < right < 10
    assert [task for task, _ in _stored(client, project, "model")][:right] == tasks_of(order)[:right]


def test_a_new_model_takes_over_once_its_window_is_there(client: LabelStudioClient, window, choice: Choice) -> None:
    project, items = window(8, 5)
    publish(client, project, "propagation", items)
    shown = {row["task"]: row["id"] for row in client.predictions(project, "propagation")}
    report = publish(client, project, "head-1", list(reversed(items)), earlier=tasks_of(items))
    assert report.moved
    assert client.project(project)["model_version"] == "head-1"
    assert client.model_versions(project) == {"propagation": 5, "head-1": 5}
    assert client.next_task(project)["id"] == items[-1].task_id
    task = items[2].task_id
    assert _submit(client, task, choice("cup"), shown[task])["parent_prediction"] == shown[task]


def test_a_team_is_served_from_the_window_only(
    label_studio: LabelStudioProcess, client: LabelStudioClient, window, choice: Choice, django
) -> None:
    project, items = window(60, 8)
    publish(client, project, "model", items)
    second_token = "f" * 39 + "1"
    members = django(
        f"""
from users.models import User
from organizations.models import Organization
from projects.models import Project, ProjectMember
from rest_framework.authtoken.models import Token
first = User.objects.get(email={label_studio.email!r})
second, made = User.objects.get_or_create(email="second@example.com", defaults={{"username": "second"}})
if made:
    organization = Organization.objects.first()
    organization.add_user(second)
    second.active_organization = organization
    second.save()
    Token.objects.filter(user=second).delete()
    Token.objects.create(user=second, key={second_token!r})
project = Project.objects.get(id={project})
for user in (first, second):
    ProjectMember.objects.get_or_create(user=user, project=project)
answer = project.annotators().count()
"""
    )
    assert members == 2
    team = (client, LabelStudioClient(client.url, second_token))
    served = []
    for turn in range(len(items)):
        annotator = team[turn % 2]
        served.append(annotator.next_task(project)["id"])
        annotator.annotate(served[-1], choice("cat"))
    assert sorted(served) == sorted(item.task_id for item in items)


def test_bad_items_are_named_and_the_rest_is_published(client: LabelStudioClient, window, choice: Choice) -> None:
    project, items = window(12, 10)
    deleted, unknown_label, wrong_control = items[2], items[5], items[7]
    client.transport.call("DELETE", f"/api/tasks/{deleted.task_id}/")
    items[5] = WindowItem(unknown_label.task_id, choice("zebra"))
    items[7] = WindowItem(wrong_control.task_id, [{**choice("cat")[0], "from_name": "colour"}])

    report = publish(client, project, "model", items)

    assert set(report.dropped) == {deleted.task_id, unknown_label.task_id, wrong_control.task_id}
    assert "no longer exists" in report.dropped[deleted.task_id]
    assert "zebra" in report.dropped[unknown_label.task_id]
    assert "colour" in report.dropped[wrong_control.task_id]
    assert report.published == tuple(task for task in tasks_of(items) if task not in report.dropped)
    assert client.model_versions(project) == {"model": 7}
    again = publish(client, project, "model", items, earlier=tasks_of(items))
    assert (again.published, again.dropped, again.moved) == (report.published, report.dropped, False)
    assert client.model_versions(project) == {"model": 7}


def test_in_a_large_project_what_the_config_no_longer_has_is_left_out_too(
    client: LabelStudioClient, window, choice: Choice
) -> None:
    project, items = window(12, 10)
    items[5] = WindowItem(items[5].task_id, choice("zebra"))
    earlier_config = client.project(project)["label_config"].replace('value="cat"', 'value="zebra"')
    report = publish(client, project, "model", items, tasks=100_000, label_config=earlier_config)
    assert set(report.dropped) == {items[5].task_id}
    assert client.model_versions(project) == {"model": 9}


# As many tasks as the project is taken to have: by a call each, or in one import.
@pytest.mark.parametrize("project_size", [100_000, 4])
def test_a_task_that_is_deleted_meanwhile_is_named_and_the_rest_is_stored(
    client: LabelStudioClient, window, choice: Choice, project_size: int
) -> None:
    project, items = window(4, 3)
    rows = [
        {"task": item.task_id, "result": item.result, "score": 0.2, "model_version": "model"}
        for item in (items[0], WindowItem(10**8, choice("cat")), items[2])
    ]
    refused = store_predictions(client, project, rows, tasks=project_size)
    assert refused is not None
    assert list(refused) == [10**8]
    assert re.search("does not exist|no longer exists", refused[10**8])
    assert client.model_versions(project) == {"model": 2}
    first = next(client.tasks_by_id(project, [items[0].task_id], fields="all"))
    assert first["total_predictions"] == 1


def test_a_task_that_is_deleted_while_others_do_not_fit_is_named_as_they_are(
    client: LabelStudioClient, window, choice: Choice, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, items = window(8, 6)
    items[1] = WindowItem(items[1].task_id, choice("zebra"))
    store = client.import_predictions

    def deleted_meanwhile(project_id: int, rows: list[dict[str, Any]]) -> int:
        with contextlib.suppress(LabelStudioError):  # once is enough
            client.transport.call("DELETE", f"/api/tasks/{items[4].task_id}/")
        return store(project_id, rows)

    monkeypatch.setattr(client, "import_predictions", deleted_meanwhile)
    report = publish(client, project, "model", items)
    assert set(report.dropped) == {items[1].task_id, items[4].task_id}
    assert "zebra" in report.dropped[items[1].task_id]
    assert "no longer exists" in report.dropped[items[4].task_id]
    assert client.model_versions(project) == {"model": 4}


def test_a_window_refused_as_a_whole_leaves_the_old_one_serving(
    client: LabelStudioClient, window, choice: Choice
) -> None:
    project, items = window(6, 3)
    publish(client, project, "model-1", items)
    refused = window_of(tasks_of(items), choice, "zebra")
    with pytest.raises(LabelStudioError, match=r"kept none of the 3 predictions.*zebra") as caught:
        publish(client, project, "model-2", refused, earlier=tasks_of(items))
    assert caught.value.reason == "window_refused"
    assert client.model_versions(project) == {"model-1": 3}
    assert client.project(project)["model_version"] == "model-1"


def test_an_empty_result_still_holds_its_place(client: LabelStudioClient, window, choice: Choice) -> None:
    project, items = window(6, 4)
    items[1] = WindowItem(items[1].task_id, [])
    assert not publish(client, project, "model", items).dropped
    served = []
    for _ in items:
        served.append(client.next_task(project)["id"])
        client.annotate(served[-1], choice("cat"))
    assert served == tasks_of(items)


def test_duplicates_and_strangers_lose_their_place(client: LabelStudioClient, window, choice: Choice) -> None:
    project, items = window(10, 6)
    stranger = next(task["id"] for task in client.iter_tasks(project) if task["id"] not in tasks_of(items))
    half_published = [(items[0].task_id, 0.2)] * 2 + [(items[1].task_id, 0.99), (items[2].task_id, None)]
    client.import_predictions(
        project,
        [
            {"task": task_id, "result": choice("cat"), "score": score, "model_version": "model"}
            for task_id, score in [*half_published, (stranger, 0.01)]
        ],
    )
    report = publish(client, project, "model", items, sweep=True)
    assert [task for task, _ in _stored(client, project, "model")] == tasks_of(items)
    assert dict(_stored(client, project, "model")) == pytest.approx(report.scores)
    assert client.model_versions(project) == {"model": 7, str(SupersededName("model", SUPERSEDED_AT)): 1}
    publish(client, project, "model", items, sweep=True)
    assert client.model_versions(project) == {"model": 6, str(SupersededName("model", SUPERSEDED_AT)): 2}


def test_nothing_left_to_label_keeps_the_current_version(client: LabelStudioClient, window, choice: Choice) -> None:
    project, items = window(4, 3)
    publish(client, project, "model-1", items)
    client.annotate(items[0].task_id, choice("cat"))
    report = publish(client, project, "model-2", [], earlier=tasks_of(items))
    assert (report.published, report.moved) == ((), False)
    assert client.project(project)["model_version"] == "model-1"
    for _ in range(2):
        publish(client, project, "model-1", [], earlier=tasks_of(items))
    assert client.model_versions(project) == {"model-1": 1, str(SupersededName("model-1", SUPERSEDED_AT)): 2}


class CrashError(Exception):
    """The backend dies here."""


@pytest.mark.parametrize("answer_lost", [False, True], ids=["before the call", "after the call took effect"])
def test_dying_at_any_call_is_mended_by_publishing_again(
    client: LabelStudioClient, window, choice: Choice, answer_lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, items = window(9, 5)
    publish(client, project, "model-0", items[:3])
    shown: dict[int, int] = {}
    real_call = client.transport.call
    fatal = 0
    finished = False
    while not finished:
        fatal += 1
        calls = 0

        def dying_call(*arguments: Any, _fatal: int = fatal, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == _fatal and not answer_lost:
                raise CrashError
            answer = real_call(*arguments, **options)
            if calls == _fatal:
                raise CrashError
            return answer

        # Each round moves one place, changes one suggestion, and lets one join and one leave; every third moves the model.
        items = [items[2], items[1], *items[3:], items[0]][: 4 + fatal % 2]
        items[0] = WindowItem(items[0].task_id, choice(("cat", "cup", "rocket")[fatal % 3]))
        version = f"model-{fatal // 3}"
        every_task = [task["id"] for task in client.iter_tasks(project)]
        with monkeypatch.context() as patched:
            patched.setattr(client.transport, "call", dying_call)
            try:
                publish(client, project, version, items, earlier=every_task)
                finished = True
            except CrashError:
                current = client.project(project)["model_version"]
                assert client.model_versions(project)[current] >= 3, "somebody is always served from a window"
        report = publish(client, project, version, items, earlier=every_task)
        assert report.published == tuple(tasks_of(items))
        assert client.project(project)["model_version"] == version
        assert [task for task, _ in _stored(client, project, version)] == tasks_of(items)
        shown.update({row["id"]: row["task"] for row in client.predictions(project, version)})
        items = [*items, *window_of([task for task in every_task if task not in tasks_of(items)], choice)]
    assert fatal > 5, "every call of a publication was a place to die at"
    for prediction, task in shown.items():
        assert client.prediction(prediction)["task"] == task, "nothing that was ever shown is gone"


def _submit(
    client: LabelStudioClient, task: int, result: list[dict[str, Any]], parent_prediction: int
) -> dict[str, Any]:
    """What the browser sends for a photo that was opened with a suggestion."""
    body = {"result": result, "parent_prediction": parent_prediction}
    return dict(client.transport.call("POST", f"/api/tasks/{task}/annotations/", json=body))


def _stored(client: LabelStudioClient, project: int, version: str) -> list[tuple[int, float]]:
    """The places of the window as Label Studio serves them; what left it is behind."""
    stored = [(prediction["task"], prediction["score"]) for prediction in client.predictions(project, version)]
    return sorted((pair for pair in stored if pair[1] < LAST), key=lambda pair: pair[1])
