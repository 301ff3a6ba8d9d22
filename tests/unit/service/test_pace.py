"""Where Label Studio is slow to take an order, the next order waits, and takes in what was answered meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import JobCancelledError
from backend.service.pool.cache import PoolCache
from backend.service.queue.pace import MAX_PAUSE_SECONDS, PublicationPace, pause_after
from backend.service.queue.refresh import refresh_project
from tests.unit.service.connected import settled

pytestmark = [pytest.mark.unit]


class Clock:
    """Seconds that pass when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_a_quick_label_studio_is_never_waited_for() -> None:
    assert [pause_after(seconds) for seconds in (0.0, 0.3, 1.0)] == [0.0, 0.0, 0.0]


def test_the_pause_grows_with_the_time_that_a_publication_takes_up_to_a_limit() -> None:
    assert pause_after(2.0) == pytest.approx(4.0)
    assert pause_after(3.0) == pytest.approx(8.0)
    assert pause_after(600.0) == MAX_PAUSE_SECONDS


def test_the_next_order_of_that_project_alone_waits_and_says_why() -> None:
    clock, said = Clock(), []
    pace = PublicationPace(clock, clock.sleep)
    with pace.publication(7):
        clock.sleep(3.0)
    with pace.publication(7):  # the rest of the window, quick: the pause before it still counts
        clock.sleep(0.5)

    assert not pace.wait(8, lambda share, what: said.append(what))
    assert clock.seconds == pytest.approx(103.5)
    assert pace.wait(7, lambda share, what: said.append(what))
    assert clock.seconds == pytest.approx(111.0)  # 8 s after the slow part
    assert "Label Studio was slow" in said[0]
    assert not pace.wait(7, lambda share, what: said.append(what))  # once


def test_a_publication_that_fails_counts_too() -> None:
    clock = Clock()
    pace = PublicationPace(clock, clock.sleep)

    def fail() -> None:
        clock.sleep(30.0)
        raise TimeoutError

    with pytest.raises(TimeoutError), pace.publication(7):
        fail()
    assert pace.wait(7, lambda share, what: None)
    assert clock.seconds == pytest.approx(130.0 + MAX_PAUSE_SECONDS)


def test_who_waits_can_be_cancelled() -> None:
    clock = Clock()
    pace = PublicationPace(clock, clock.sleep)
    with pace.publication(7):
        clock.sleep(5.0)

    def cancel(share: float, what: str) -> None:
        raise JobCancelledError("1")

    with pytest.raises(JobCancelledError):
        pace.wait(7, cancel)


def test_an_order_waits_for_a_slow_label_studio_and_knows_what_was_answered_meanwhile(tmp_path: Path) -> None:
    with settled(tmp_path) as connected:
        project, pools = connected.project, PoolCache(connected.project.runtime)
        clock = Clock()

        def sleep(seconds: float) -> None:
            if clock.seconds == 104.0:  # while it waits, people go on
                connected.annotate(8)
                connected.run("sync")
            clock.sleep(seconds)

        pace = PublicationPace(clock, sleep)
        with pace.publication(1):
            clock.sleep(4.0)
        said: list[str] = []
        refresh_project(project.runtime, pools, 1, lambda share, what: said.append(what), pace=pace)
        assert clock.seconds == pytest.approx(116.0)
        assert sum("Label Studio was slow" in line for line in said) == 12
        assert set(connected.label_studio.queue()) == {5, 6, 7}

        with pace.publication(1):
            clock.sleep(4.0)
        refresh_project(project.runtime, pools, 1, lambda *_: None, republish=True, pace=pace)
        assert clock.seconds == pytest.approx(120.0)  # another model, or what a person asked for: at once
