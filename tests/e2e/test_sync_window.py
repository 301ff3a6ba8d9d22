"""The queue window on a real Label Studio: what is published is what annotators are served, in that order."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from backend.demo.label_studio_process import LabelStudioProcess
from backend.errors import LabelStudioError
from backend.sync.client import LabelStudioClient
from backend.sync.connect import SAMPLING
from backend.sync.publish import WindowItem, publish_window, scores_for

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("label_studio")]

Choice = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def window(client: LabelStudioClient, make_project, choice: Choice) -> Callable[..., tuple[int, list[WindowItem]]]:
    """A project with uncertainty sampling, and a window over some of its tasks in an order unlike their ids."""

    def make(tasks: int, size: int) -> tuple[int, list[WindowItem]]:
        project = make_project(tasks, sampling=SAMPLING)
        ids = [task["id"] for task in client.iter_tasks(project)]
        return project, _items(random.Random(tasks).sample(ids, size), choice)

    return make


def test_one_annotator_is_served_the_published_order(client: LabelStudioClient, window, choice: Choice) -> None:
    project, items = window(60, 40)
    # Predictions of other origins must not disturb the order: an older version with opposite scores, and one of a file.
    reversed_scores = list(reversed(scores_for(len(items))))
    for version in ("older", "imported by hand"):
        foreign = [
            {"task": item.task_id, "result": item.result, "score": score, "model_version": version}
            for item, score in zip(items, reversed_scores, strict=True)
        ]
        assert client.import_predictions(project, foreign) == len(items)

    report = publish_window(client, project, "window-1", items)

    assert report.published == tuple(item.task_id for item in items)
    assert report.moved
    assert not report.dropped
    assert client.model_versions(project) == {"older": 40, "imported by hand": 40, "window-1": 40}
    served = []
    for position in range(len(items)):
        task = client.next_task(project)
        served.append(task["id"])
        client.annotate(task["id"], choice("cat"), was_cancelled=position % 5 == 4)
    assert served == [item.task_id for item in items]


def test_refill_serves_the_new_order_and_removes_the_old_version(
    client: LabelStudioClient, window, choice: Choice
) -> None:
    project, items = window(30, 20)
    publish_window(client, project, "window-1", items)
    for _ in range(5):
        client.annotate(client.next_task(project)["id"], choice("rocket"))
    refill = _items([item.task_id for item in reversed(items[5:])], choice)

    report = publish_window(client, project, "window-2", refill, superseded=["window-1", "never stored"])

    assert report.deleted == {"window-1": 20}
    assert client.model_versions(project) == {"window-2": 15}
    assert client.project(project)["model_version"] == "window-2"
    served = []
    for _ in range(4):
        served.append(client.next_task(project)["id"])
        client.annotate(served[-1], choice("cup"))
    assert served == [item.task_id for item in refill[:4]]


def test_a_team_is_served_from_the_window_only(
    label_studio: LabelStudioProcess, client: LabelStudioClient, window, choice: Choice, django
) -> None:
    project, items = window(60, 8)
    publish_window(client, project, "window-1", items)
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
    items[5] = WindowItem(unknown_label.task_id, choice("zebra"), unknown_label.score)
    items[7] = WindowItem(wrong_control.task_id, [{**choice("cat")[0], "from_name": "colour"}], wrong_control.score)

    report = publish_window(client, project, "window-1", items)

    assert set(report.dropped) == {deleted.task_id, unknown_label.task_id, wrong_control.task_id}
    assert "no longer exists" in report.dropped[deleted.task_id]
    assert "zebra" in report.dropped[unknown_label.task_id]
    assert "colour" in report.dropped[wrong_control.task_id]
    assert report.published == tuple(item.task_id for item in items if item.task_id not in report.dropped)
    assert client.model_versions(project) == {"window-1": 7}
    again = publish_window(client, project, "window-1", items)
    assert (again.published, again.dropped, again.moved) == (report.published, report.dropped, False)
    assert client.model_versions(project) == {"window-1": 7}


def test_a_window_refused_as_a_whole_leaves_the_old_one_serving(
    client: LabelStudioClient, window, choice: Choice
) -> None:
    project, items = window(6, 3)
    publish_window(client, project, "window-1", items)
    refused = [WindowItem(item.task_id, choice("zebra"), item.score) for item in items]
    with pytest.raises(LabelStudioError, match=r"kept none of the 3 predictions.*zebra") as caught:
        publish_window(client, project, "window-2", refused, superseded=["window-1"])
    assert caught.value.reason == "window_refused"
    assert client.model_versions(project) == {"window-1": 3}
    assert client.project(project)["model_version"] == "window-1"


def test_an_empty_result_still_holds_its_place(client: LabelStudioClient, window, choice: Choice) -> None:
    project, items = window(6, 4)
    items[1] = WindowItem(items[1].task_id, [], items[1].score)
    assert not publish_window(client, project, "window-1", items).dropped
    served = []
    for _ in items:
        served.append(client.next_task(project)["id"])
        client.annotate(served[-1], choice("cat"))
    assert served == [item.task_id for item in items]


def test_duplicates_strangers_and_changed_scores_are_mended(client: LabelStudioClient, window, choice: Choice) -> None:
    project, items = window(10, 6)
    stranger = next(task["id"] for task in client.iter_tasks(project) if task["id"] not in {i.task_id for i in items})
    half_published = [(items[0].task_id, items[0].score)] * 2 + [(items[1].task_id, 0.99), (stranger, 0.5)]
    client.import_predictions(
        project,
        [
            {"task": task_id, "result": choice("cat"), "score": score, "model_version": "window-1"}
            for task_id, score in half_published
        ],
    )
    publish_window(client, project, "window-1", items)
    assert _stored(client, project, "window-1") == [(item.task_id, pytest.approx(item.score)) for item in items]


def test_nothing_left_to_label_keeps_the_current_version(client: LabelStudioClient, window) -> None:
    project, items = window(6, 3)
    publish_window(client, project, "window-1", items)
    publish_window(client, project, "window-2", items)
    report = publish_window(client, project, "window-3", [], superseded=["window-1", "window-2"])
    assert report.published == ()
    assert report.deleted == {"window-1": 3}
    assert client.project(project)["model_version"] == "window-2"
    assert client.model_versions(project) == {"window-2": 3}


class CrashError(Exception):
    """The backend dies here."""


@pytest.mark.parametrize("answer_lost", [False, True], ids=["before the call", "after the call took effect"])
def test_dying_at_any_call_is_mended_by_publishing_again(
    client: LabelStudioClient, window, answer_lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, items = window(9, 5)
    publish_window(client, project, "window-0", items[:3])
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

        previous, version = f"window-{fatal - 1}", f"window-{fatal}"
        with monkeypatch.context() as patched:
            patched.setattr(client.transport, "call", dying_call)
            try:
                publish_window(client, project, version, items, superseded=[previous])
                finished = True
            except CrashError:
                served = client.next_task(project)["id"]
                assert served in {item.task_id for item in items}, "a half-published window is never served"
                current = client.project(project)["model_version"]
                assert client.model_versions(project)[current] == (3 if current == "window-0" else len(items))
        report = publish_window(client, project, version, items, superseded=[previous])
        assert report.published == tuple(item.task_id for item in items)
        assert client.model_versions(project) == {version: len(items)}
        assert client.project(project)["model_version"] == version
        assert _stored(client, project, version) == [(item.task_id, pytest.approx(item.score)) for item in items]
    assert fatal > 5, "every call of a publication was a place to die at"


def _items(task_ids: list[int], choice: Choice) -> list[WindowItem]:
    return [
        WindowItem(task_id, choice("cat"), score)
        for task_id, score in zip(task_ids, scores_for(len(task_ids)), strict=True)
    ]


def _stored(client: LabelStudioClient, project: int, version: str) -> list[tuple[int, float]]:
    stored = [(prediction["task"], prediction["score"]) for prediction in client.predictions(project, version)]
    return sorted(stored, key=lambda pair: pair[1])
