"""Polling a real Label Studio: whatever webhooks were lost, a pull finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from published import publish, window_of

from backend.sync.client import LabelStudioClient
from backend.sync.pull import PulledPage, pull_pages, task_difference

pytestmark = pytest.mark.e2e


# Tests change things within the overlap that a pull looks back for; without it "since" is exact.
pull_changes = partial(pull_pages, overlap=timedelta(0))


def test_full_pass_brings_every_task_and_annotation(client: LabelStudioClient, make_project, choice) -> None:
    project = make_project(11)
    ids = [task["id"] for task in client.iter_tasks(project)]
    client.annotate(ids[0], choice("cat"))
    client.annotate(ids[0], choice("cup"))
    client.annotate(ids[7], [], was_cancelled=True)
    pages = list(pull_pages(client, project, page_size=4))
    assert [len(page.tasks) for page in pages] == [4, 4, 3]
    assert [task["id"] for page in pages for task in page.tasks] == ids
    found = [(a["task"], a["was_cancelled"], len(a["result"])) for page in pages for a in page.annotations]
    assert sorted(found) == [(ids[0], False, 1), (ids[0], False, 1), (ids[7], True, 0)]
    assert all(abs(page.newest - datetime.now(UTC)) < timedelta(minutes=5) for page in pages)


def test_empty_project(client: LabelStudioClient, make_project) -> None:
    project = make_project()
    assert list(pull_pages(client, project)) == []
    assert task_difference(client, project, frozenset()).gone == frozenset()


def test_only_what_changed_since(client: LabelStudioClient, make_project, choice) -> None:
    project = make_project(8)
    ids = [task["id"] for task in client.iter_tasks(project)]
    kept = client.annotate(ids[0], choice("cat"))
    updated = client.annotate(ids[1], choice("cat"))
    removed = client.annotate(ids[2], choice("cat"))
    since = max(page.newest for page in pull_pages(client, project))
    assert _merged(client, project, since) == ({}, {})

    client.transport.call("PATCH", f"/api/annotations/{updated['id']}/", json={"result": choice("cup")})
    client.transport.call("DELETE", f"/api/annotations/{removed['id']}/")
    client.annotate(ids[3], choice("rocket"))
    client.annotate(ids[4], [], was_cancelled=True)
    client.transport.call("PATCH", f"/api/tasks/{ids[5]}/", json={"data": {"image": "https://images.example/new.jpg"}})
    client.import_tasks(project, [{"data": {"image": "https://images.example/8.jpg"}}])

    tasks, annotations = _merged(client, project, since)
    created = max(tasks)
    assert set(tasks) == {*ids[1:6], created}
    assert created > ids[-1]
    assert tasks[ids[5]] == {"image": "https://images.example/new.jpg"}
    assert annotations[ids[1]] == [(updated["id"], "cup")]
    assert ids[2] not in annotations, "the deleted annotation is missing from a page that holds its task"
    assert annotations[ids[3]][0][1] == "rocket"
    assert annotations[ids[4]][0][1] is None
    assert kept["id"] not in {pair[0] for pairs in annotations.values() for pair in pairs}


def test_imported_and_accepted_annotations_show(client: LabelStudioClient, make_project, choice) -> None:
    project = make_project(3)
    ids = [task["id"] for task in client.iter_tasks(project)]
    publish(client, project, "window-1", window_of(ids, choice))
    since = max(page.newest for page in pull_pages(client, project))
    client.transport.call(
        "POST",
        "/api/dm/actions/",
        params={"id": "predictions_to_annotations", "project": project},
        json={"selectedItems": {"all": False, "included": ids[:2]}, "model_version": "window-1"},
    )
    imported = {"data": {"image": "https://images.example/labelled.jpg"}, "annotations": [{"result": choice("cup")}]}
    client.import_tasks(project, [imported])
    tasks, annotations = _merged(client, project, since)
    assert {labels[0][1] for labels in annotations.values()} == {"cat", "cup"}
    assert set(annotations) == set(tasks) == {*ids[:2], max(tasks)}


def test_deleted_tasks_are_found_by_their_absence(client: LabelStudioClient, make_project) -> None:
    project = make_project(6)
    known = frozenset(task["id"] for task in client.iter_tasks(project))
    assert task_difference(client, project, known).gone == frozenset()
    client.import_tasks(project, [{"data": {"image": "https://images.example/late.jpg"}}])
    assert task_difference(client, project, known).gone == frozenset(), (
        "tasks that came meanwhile are no sign of a deletion"
    )
    victims = sorted(known)[1:3]
    client.transport.call(
        "POST",
        "/api/dm/actions/",
        params={"id": "delete_tasks", "project": project},
        json={"selectedItems": {"all": False, "included": victims}},
    )
    assert task_difference(client, project, known).gone == frozenset(victims)


def test_annotations_deleted_in_bulk_are_found(client: LabelStudioClient, make_project, choice) -> None:
    project = make_project(3)
    ids = [task["id"] for task in client.iter_tasks(project)]
    for task_id in ids:
        client.annotate(task_id, choice("cat"))
    since = max(page.newest for page in pull_pages(client, project))
    client.transport.call(
        "POST",
        "/api/dm/actions/",
        params={"id": "delete_tasks_annotations", "project": project},
        json={"selectedItems": {"all": False, "included": ids[:2]}},
    )
    pages = list(pull_changes(client, project, since=since))
    assert frozenset().union(*(page.task_ids for page in pages)) == frozenset(ids[:2])
    assert [annotation for page in pages for annotation in page.annotations] == []


def _merged(
    client: LabelStudioClient, project: int, since: datetime
) -> tuple[dict[int, dict[str, str]], dict[int, list[tuple[int, str | None]]]]:
    """Data of the pulled tasks, and for each annotated one its annotations as (id, chosen label)."""
    pages: list[PulledPage] = list(pull_changes(client, project, since=since))
    tasks = {task["id"]: task["data"] for page in pages for task in page.tasks}
    annotations: dict[int, list[tuple[int, str | None]]] = {}
    for page in pages:
        for annotation in page.annotations:
            result = annotation["result"]
            label = result[0]["value"]["choices"][0] if result else None
            annotations.setdefault(annotation["task"], []).append((annotation["id"], label))
    return tasks, annotations


def test_publishing_is_a_change_only_of_the_tasks_whose_prediction_was_changed(
    client: LabelStudioClient, make_project, choice
) -> None:
    project = make_project(5)
    ids = [task["id"] for task in client.iter_tasks(project)]
    since = max(page.newest for page in pull_pages(client, project))
    publish(client, project, "window", window_of(ids, choice))
    assert list(pull_changes(client, project, since=since)) == []
    publish(client, project, "window", window_of([*ids[1:], ids[0]], choice), earlier=ids)
    (page,) = pull_changes(client, project, since=since)
    assert page.task_ids == {ids[0]}
    assert page.annotations == ()
