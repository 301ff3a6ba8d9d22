"""A larger share of evaluation photos makes none of those that were asked about before, because they were uncertain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.pool.predictions import Targets, read_annotations
from backend.service.projects.evaluation_shares import evaluation_shares, lowest_share
from backend.service.projects.options import project_options
from backend.service.projects.project import find_project, set_up_project
from backend.service.projects.queue_overrides import override_queue
from backend.service.queue.queue_window import current_window
from backend.storage.database import Database
from backend.storage.schema import now
from tests.unit.service.embedded_project import Embedded

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def project(runtime: Runtime, database: Database, jobs: JobQueue) -> Embedded:
    return Embedded(runtime, database, jobs)


def with_share(project: Embedded, share: float) -> None:
    set_up_project(project.runtime, 7, extra_params={"evaluation_share": share})
    project.refresh()


def targets(project: Embedded) -> Targets:
    found = find_project(project.runtime, 7)
    options = project_options(project.runtime.settings, found.extra_params)
    pool = project.pools.current(found, options.relevance, options.seed)
    return read_annotations(project.runtime, 7, pool, options.evaluation_share).targets[0]


def answer(project: Embedded, tasks: range) -> None:
    project.annotate(tasks, updated_at=now(), created_at=now())


def test_who_was_learned_from_is_never_held_out(project: Embedded) -> None:
    with_share(project, 0.0)
    answer(project, range(20))
    with_share(project, 0.5)
    assert not targets(project).evaluation.any()
    answer(project, range(20, 40))
    project.refresh()
    later = targets(project)
    assert later.evaluation.sum() > 4
    assert set(later.rows[later.evaluation]) <= set(range(20, 40))
    with_share(project, 0.1)
    fewer = targets(project).evaluation
    with_share(project, 0.5)
    assert (targets(project).evaluation == fewer).all(), "who was learned from meanwhile stays out"


def test_the_missing_ones_are_made_up_for(project: Embedded) -> None:
    with_share(project, 0.0)
    answer(project, range(20))
    with_share(project, 0.5)
    window = current_window(project.runtime, find_project(project.runtime, 7))
    assert [item.evaluation for item in window[:6]] == [True, False] * 3


def test_what_somebody_pushed_to_the_top_was_chosen_not_drawn(project: Embedded) -> None:
    with_share(project, 0.5)
    answer(project, range(10))
    drawn = targets(project)
    sampled = {int(task) for task in drawn.rows[drawn.evaluation]}
    assert sampled
    pushed = [*sampled, *range(10, 20)]
    override_queue(project.runtime, 7, pushed, "first")
    answer(project, range(10, 30))
    now_held = targets(project)
    held = {int(task) for task in now_held.rows[now_held.evaluation]}
    assert sampled <= held, "they were answered before"
    assert not held & set(range(10, 20))
    assert held & set(range(20, 30))


def test_the_share_of_all_times_before_is_the_first_that_is_known() -> None:
    day = timedelta(days=1)
    shares = [(START, 0.1), (START + day, 0.3), (START + 2 * day, 0.2)]
    assert lowest_share(shares, START - day, 0.2) == 0.1
    assert lowest_share(shares, START + day, 0.2) == 0.2
    assert lowest_share(shares, START + 3 * day, 0.4) == 0.2
    assert lowest_share([], START, 0.4) == 0.4


def test_a_share_is_noted_once(project: Embedded) -> None:
    for share in (0.1, 0.1, 0.3):
        with_share(project, share)
    with project.database.session() as session:
        assert [share for _, share in evaluation_shares(session, 7)] == [0.1, 0.3]
