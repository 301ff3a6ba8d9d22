"""A team that starts to label hears of no task left while tasks are left: the window is as large as the team may need, and is
refilled by the order that is known before a new one is made."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete

from backend.service.ingest.polling import catch_up
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.project import find_project
from backend.service.queue import publishing, refresh
from backend.service.queue.held import HANDED_OUT
from backend.service.queue.queue_window import current_window
from backend.service.queue.window_size import places_for_members
from backend.storage.schema import Annotation, Job, now
from backend.sync import publish, storing
from tests.application import AppFactory, Application
from tests.unit.service.samples import choice
from tests.unit.service.team import PROJECT, TASKS, Team

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]


@pytest.fixture
def application(app_factory: AppFactory) -> Application:
    return app_factory(backbone="efficientnet_lite2", retrain_every=1000)


def test_fifty_people_who_never_labelled_here_find_a_task_each(team: Team) -> None:
    team.label_studio.users = [now().isoformat() for _ in range(50)] + ["2020-01-01T00:00:00Z"] * 30
    team.refresh()
    assert len(team.label_studio.queue()) == places_for_members(50) == 200
    assert all(team.label_studio.hand_out(person) for person in range(50))
    # Two rounds before the next order: Label Studio is slow while so many work.
    assert all(team.answer(person) for _ in range(2) for person in range(50))
    team.refresh()
    assert len(team.label_studio.queue()) == 200
    assert all(team.answer(person) for person in range(50))


def test_a_window_that_runs_low_is_refilled_in_the_known_order(team: Team) -> None:
    team.refresh()
    before = team.window()
    assert len(before) == 50
    team.label_studio.hand_out(1)
    for _ in range(25):
        assert team.answer(1)
    assert team.refill(50) == 0  # half of it is left
    assert team.answer(1)

    assert team.refill(50) == 26

    following = team.window()[50:]
    assert team.label_studio.queue() == [*before[26:], *following]
    assert len({*before, *following}) == 76
    shown = [team.label_studio.tasks[task]["predictions"] for task in following]
    known = current_window(team.runtime, find_project(team.runtime, PROJECT))[50:]
    assert [[(row["result"], row["score"]) for row in rows] for rows in shown] == [
        [(item.result, item.score)] for item in known
    ]
    assert team.refill(50) == 0
    team.refresh(polled=True)  # knows of them: those that are not among the first 50 leave the queue
    assert team.label_studio.queue()[:50] == team.window()
    assert find_project(team.runtime, PROJECT).window_settled


def test_a_refill_that_did_not_arrive_is_made_up_for(team: Team) -> None:
    team.refresh()
    team.label_studio.hand_out(1)
    for _ in range(30):
        team.answer(1)
    answer = team.label_studio.answer

    def no_imports(method: str, target: str, body: Any) -> tuple[int, Any]:
        return (500, {"detail": "down"}) if "import" in target else answer(method, target, body)

    team.label_studio.answer = no_imports  # type: ignore[method-assign]
    with pytest.raises(Exception, match="500"):
        team.refill(50)
    team.label_studio.answer = answer  # type: ignore[method-assign]
    assert len(team.label_studio.queue()) == 20
    team.refresh()
    assert team.label_studio.queue()[:10] == team.window()[:10]
    team.refresh(polled=True)
    assert team.label_studio.queue()[:50] == team.window()
    assert len(team.window()) == 50


def test_photos_that_were_deleted_without_news_keep_no_other_from_the_queue(team: Team) -> None:
    team.refresh()
    before = team.window()
    team.label_studio.hand_out(1)
    for _ in range(30):
        assert team.answer(1)
    for task in [task for task in team.label_studio.tasks if task not in before][::2]:
        del team.label_studio.tasks[task]
    assert team.refill(50) == 30
    added = team.window()[50:]
    assert team.label_studio.queue() == [*before[30:], *(task for task in added if task in team.label_studio.tasks)]
    assert len(team.label_studio.queue()) < 50
    team.refresh()
    assert set(team.label_studio.queue()[:10]) <= set(team.window())


def test_a_window_that_lost_photos_is_refilled_behind_its_last_place(team: Team) -> None:
    """Places have holes where tasks were deleted: two of the same number would stop every order that follows."""
    team.refresh()
    before = team.window()
    team.label_studio.hand_out(1)
    for _ in range(30):
        assert team.answer(1)
    for task in before[35:38]:
        del team.label_studio.tasks[task]
    gone = {"project": {"id": PROJECT}, "tasks": [{"id": task} for task in before[35:38]]}
    handle_event(team.runtime, "TASKS_DELETED", gone)
    assert team.refill(50) == 33
    assert team.label_studio.queue() == [*before[30:35], *before[38:], *team.window()[47:]]
    team.refresh()
    assert team.label_studio.queue()[:10] == team.window()[:10]


def test_photos_that_are_deleted_while_a_window_is_published_keep_no_other_from_it(team: Team) -> None:
    answer = team.label_studio.answer

    def deleting(method: str, target: str, body: Any) -> tuple[int, Any]:
        if "import" in target and len(team.label_studio.tasks) == TASKS:
            for item in body[::2]:
                del team.label_studio.tasks[item["task"]]
        return answer(method, target, body)

    team.label_studio.answer = deleting  # type: ignore[method-assign]
    team.refresh()
    team.label_studio.answer = answer  # type: ignore[method-assign]
    assert team.label_studio.queue() == [task for task in team.window() if task in team.label_studio.tasks]
    assert len(team.label_studio.queue()) > 10


def test_while_people_go_on_the_next_places_are_right_and_a_poll_makes_the_others_right(team: Team) -> None:
    team.refresh()
    team.label_studio.hand_out(1)
    unsettled = 0
    for _ in range(6):  # fewer than the ten after which every place is made right
        assert team.answer(1)
        before = team.label_studio.calls
        team.refresh()
        assert team.label_studio.queue()[:10] == team.window()[:10]
        assert team.label_studio.calls - before <= 10 + 2 * 12  # lists, and two changes for each of the next places
        unsettled += not find_project(team.runtime, PROJECT).window_settled
    assert unsettled  # else this shows nothing
    assert team.label_studio.queue()[:50] != team.window()
    assert not find_project(team.runtime, PROJECT).window_settled
    catch_up(team.runtime, PROJECT)
    assert team.claim().payload == {"republish": True}
    team.refresh(polled=True)
    assert team.label_studio.queue()[:50] == team.window()


def test_what_orders_left_a_place_is_known_to_those_that_follow(team: Team) -> None:
    """Else a photo that left the window comes up among the next ones, and is handed out."""
    team.refresh()
    team.label_studio.hand_out(1)
    left = 0
    for _ in range(6):
        assert all(team.answer(1) for _ in range(4))
        team.refresh()
        strangers = {*team.places()} - {*team.window()}
        known = find_project(team.runtime, PROJECT).places_left
        assert strangers <= {*known}
        left += len(strangers)
    assert left  # else this shows nothing
    team.claim()  # else it would give way to the order that waits
    team.refresh(polled=True)
    assert team.places() == team.window()
    project = find_project(team.runtime, PROJECT)
    assert (project.window_settled, project.places_left) == (True, [])


def test_where_a_newer_order_always_waits_what_is_left_is_kept_in_mind_up_to_a_number(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "MOST_LEFT", 12)
    team.refresh()
    team.label_studio.hand_out(1)
    for number in range(1, 9):
        assert all(team.answer(1) for _ in range(3))
        team.refresh(polled=number % 3 == 0)
        assert len(find_project(team.runtime, PROJECT).places_left) <= 12 + HANDED_OUT
    assert len(set(team.places()) - set(team.window())) > 12  # else this shows nothing


def test_a_photo_whose_answer_is_taken_back_comes_where_the_order_has_it(team: Team) -> None:
    """Label Studio kept its prediction, with the score of one of the first places that there were."""
    team.refresh()
    team.label_studio.hand_out(1)
    assert team.answer(1)
    team.refresh()  # by a model that learns, from here on
    first = team.label_studio.queue()[:6]
    for _ in range(6):
        assert team.answer(1)
    team.refresh()
    team.claim()
    team.refresh(polled=True)
    assert team.places() == team.window()
    gone = [{"id": number} for task in first[:5] for number in team.label_studio.delete_annotation(task)]
    handle_event(team.runtime, "ANNOTATIONS_DELETED", {"project": {"id": PROJECT}, "annotations": gone})
    assert team.label_studio.queue()[:5] == first[:5]
    team.refresh()
    assert team.window()[:5] != first[:5]  # else this shows nothing
    assert team.label_studio.queue()[:10] == team.window()[:10]


def test_thousands_of_answers_that_are_deleted_at_once_cost_an_order_no_more_than_a_number_of_them(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "MOST_RETURNED", 4)
    monkeypatch.setattr(refresh, "MOST_RETURNED", 4)
    team.refresh()
    team.label_studio.hand_out(1)
    for _ in range(6):
        assert all(team.answer(1) for _ in range(8))
        team.refresh(polled=True)
    answered = [task["id"] for task in team.label_studio.tasks.values() if task["annotations"]][8:]  # the model stays
    gone = [{"id": number} for task in answered for number in team.label_studio.delete_annotation(task)]
    assert len(gone) == 40
    handle_event(team.runtime, "ANNOTATIONS_DELETED", {"project": {"id": PROJECT}, "annotations": gone})
    asked: set[int] = set()
    listed = team.label_studio.answer

    def noting(method: str, target: str, body: Any) -> tuple[int, Any]:
        status, found = listed(method, target, body)
        asked.update(task["id"] for task in found.get("tasks", ())) if "/api/tasks?" in target else None
        return status, found

    monkeypatch.setattr(team.label_studio, "answer", noting)
    known = {*team.window(), *find_project(team.runtime, PROJECT).places_left}
    team.refresh()
    assert len((asked & set(answered)) - known - {*team.window()}) <= 4
    assert not find_project(team.runtime, PROJECT).window_settled  # what it did not look at waits for a poll
    with team.runtime.database.session() as session:
        session.execute(delete(Job))
    team.refresh(polled=True)
    assert team.places() == team.window()
    assert find_project(team.runtime, PROJECT).window_settled


def test_the_last_photos_are_added_once(team: Team) -> None:
    team.refresh()
    last = {task for task in range(1, TASKS + 1) if task not in team.window()} - set(range(1, TASKS - 20))
    with team.runtime.database.session() as session:
        for task in set(range(1, TASKS + 1)) - last:
            session.add(Annotation(project_id=PROJECT, annotation_id=task, task_id=task, result=choice("Golf")))
            team.label_studio.annotate(task, choice("Golf"))
    assert team.refill(50) == len(last) > 0
    assert team.refill(50) == 0
    assert set(team.label_studio.queue()) == last


def test_a_label_studio_that_does_not_tell_its_users_costs_nothing_else(team: Team) -> None:
    team.label_studio.users = ["nonsense"]
    team.refresh()
    assert len(team.label_studio.queue()) == 50
    assert team.runtime.members.active() == 0


def test_users_of_whom_it_is_not_said_what_they_did_cost_nothing_else(team: Team) -> None:
    answer = team.label_studio.answer

    def without_activity(method: str, target: str, body: Any) -> tuple[int, Any]:
        return (200, [{"id": 1}]) if "/api/users/" in target else answer(method, target, body)

    team.label_studio.answer = without_activity  # type: ignore[method-assign]
    team.refresh()
    assert len(team.label_studio.queue()) == 50


@pytest.mark.parametrize(("tasks_per_call", "way"), [(400, "import"), (5, "call")])
def test_in_a_project_that_is_large_for_it_new_places_are_stored_by_a_call_each(
    team: Team, monkeypatch: pytest.MonkeyPatch, tasks_per_call: int, way: str
) -> None:
    monkeypatch.setattr(storing, "TASKS_PER_CALL", tasks_per_call)
    answer, ways = team.label_studio.answer, []

    def noting(method: str, target: str, body: Any) -> tuple[int, Any]:
        if method == "POST" and "predictions" in target:
            ways.append("import" if "import" in target else "call")
        return answer(method, target, body)

    monkeypatch.setattr(team.label_studio, "answer", noting)
    team.refresh()
    assert team.label_studio.queue() == team.window()
    assert set(ways) == {way}
    ways.clear()
    team.label_studio.hand_out(1)
    for _ in range(26):
        team.answer(1)
    assert team.refill(50)
    assert set(ways) == {way}
