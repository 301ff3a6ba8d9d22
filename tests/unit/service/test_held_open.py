"""Photos that somebody holds open while orders pass: they keep their suggestion, and no other shows what it was due for."""

from __future__ import annotations

import pytest
from sqlalchemy import delete

from backend.service.projects.project import find_project, set_up_project
from backend.storage.schema import Job, QueueOverride
from tests.application import AppFactory, Application
from tests.unit.service.samples import CONFIG
from tests.unit.service.team import PROJECT, Team

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]


@pytest.fixture
def application(app_factory: AppFactory) -> Application:
    return app_factory(backbone="efficientnet_lite2", retrain_every=1000)


@pytest.mark.parametrize("leaves_at", [0, 2], ids=["while another model takes over", "later"])
def test_a_photo_that_somebody_holds_open_keeps_its_suggestion_while_orders_pass(team: Team, leaves_at: int) -> None:
    team.refresh()
    held = team.label_studio.hand_out(2)
    assert held is not None
    team.label_studio.hand_out(1)
    for number in range(6):
        assert all(team.answer(1) for _ in range(4))
        with team.runtime.database.session() as session:
            session.execute(delete(Job))  # no newer order waits: every place is made right
            if number == leaves_at:
                session.add(QueueOverride(project_id=PROJECT, task_id=held, wish="last"))
        team.refresh(polled=number > leaves_at)
        version = team.label_studio.project["model_version"]
        shown = [row for row in team.label_studio.tasks[held]["predictions"] if row["model_version"] == version]
        assert shown, f"who reloads the page after order {number} finds no suggestion"
    assert held not in team.places()
    assert team.answer(2)
    team.refresh()
    assert held not in find_project(team.runtime, PROJECT).held_open


def test_texts_that_no_order_had_time_to_take_are_taken_once_nobody_goes_on(team: Team) -> None:
    shows = CONFIG.replace("<View>", '<View><Header value="$why_now"/>')
    team.label_studio.project["label_config"] = shows
    set_up_project(team.runtime, PROJECT, label_config=shows)

    def strangers() -> set[int]:
        open_tasks = {number: task for number, task in team.label_studio.tasks.items() if not task["annotations"]}
        told = {number for number, task in open_tasks.items() if "why_now" in task["data"]}
        return told - {*team.window(), *find_project(team.runtime, PROJECT).held_open}

    with team.runtime.database.session() as session:
        session.execute(delete(Job))
    team.refresh()
    team.label_studio.hand_out(1)
    for _ in range(5):
        assert all(team.answer(1) for _ in range(4))  # each asks for an order, and none of them is taken: one waits
        team.refresh()
    assert strangers()  # else this shows nothing
    with team.runtime.database.session() as session:
        session.execute(delete(Job))
    team.refresh()
    assert not strangers()
    assert set(find_project(team.runtime, PROJECT).texts_left) <= {*find_project(team.runtime, PROJECT).held_open}
