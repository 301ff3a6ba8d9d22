"""Where Label Studio is slow to take an order, the next order waits, and takes in what was answered meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import JobCancelledError
from backend.service.pool.cache import PoolCache
from backend.service.queue.pace import MAX_PAUSE_SECONDS, PublicationPace, pause_after
from backend.service.queue.refresh import refresh_project
from backend.storage.schema import now
from backend.sync.client import LabelStudioClient
from backend.sync.publish import Publication, WindowItem
from backend.sync.version_names import SupersededName
from tests.small_label_studio import TOKEN, SmallLabelStudio
from tests.unit.service.connected import settled
from tests.unit.service.samples import CONFIG

pytestmark = [pytest.mark.unit]


class Clock:
    """Seconds that pass when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_a_label_studio_with_little_else_to_do_is_never_waited_for() -> None:
    assert [pause_after(seconds, calls) for seconds, calls in ((0.0, 0), (0.3, 1), (4.0, 30))] == [0.0, 0.0, 0.0]


def test_the_pause_grows_with_the_time_that_calls_take_up_to_a_limit() -> None:
    assert pause_after(2.0, 2) == pytest.approx(4.8)
    assert pause_after(6.0, 12) == pytest.approx(4.8)
    assert pause_after(600.0, 20) == MAX_PAUSE_SECONDS


def test_the_next_order_of_that_project_alone_waits_and_says_why() -> None:
    clock, said = Clock(), []
    pace = PublicationPace(clock, clock.sleep)
    pace.published(7, 3.0, 3)
    clock.sleep(0.5)
    pace.published(7, 0.5, 10)  # the rest of the window, quick: the pause before it still counts

    assert not pace.wait(8, lambda share, what: said.append(what))
    assert clock.seconds == pytest.approx(100.5)
    assert pace.wait(7, lambda share, what: said.append(what))
    assert clock.seconds == pytest.approx(107.2)  # 7.2 s after the slow part
    assert "Label Studio is busy" in said[0]
    assert not pace.wait(7, lambda share, what: said.append(what))  # once


def test_who_waits_can_be_cancelled() -> None:
    clock = Clock()
    pace = PublicationPace(clock, clock.sleep)
    pace.published(7, 5.0, 1)

    def cancel(share: float, what: str) -> None:
        raise JobCancelledError("1")

    with pytest.raises(JobCancelledError):
        pace.wait(7, cancel)


class Recorder(PublicationPace):
    """What it is told, besides."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, clock.sleep)
        self.told: list[tuple[int, int]] = []

    def published(self, project_id: int, seconds: float, calls: int) -> None:
        self.told.append((project_id, calls))
        super().published(project_id, seconds, calls)


def test_an_order_waits_for_a_slow_label_studio_and_knows_what_was_answered_meanwhile(tmp_path: Path) -> None:
    with settled(tmp_path) as connected:
        project, pools = connected.project, PoolCache(connected.project.runtime)
        clock = Clock()

        def sleep(seconds: float) -> None:
            if clock.seconds == 100.0:  # while it waits, people go on
                connected.annotate(8)
                connected.run("sync")
            clock.sleep(seconds)

        pace = PublicationPace(clock, sleep)
        pace.published(1, 4.0, 3)
        said: list[str] = []
        refresh_project(project.runtime, pools, 1, lambda share, what: said.append(what), pace=pace)
        assert clock.seconds == pytest.approx(111.2)
        assert sum("Label Studio is busy" in line for line in said) == 12
        assert set(connected.label_studio.queue()) == {5, 6, 7}


@pytest.mark.parametrize("sweep", [False, True])
def test_a_large_window_is_read_by_many_calls_and_all_of_them_count(sweep: bool) -> None:
    """Else every Label Studio would seem busy to a large team."""
    with SmallLabelStudio(1, CONFIG, {number: {} for number in range(1, 1001)}) as label_studio:
        items = [WindowItem(number, []) for number in label_studio.tasks]
        client = LabelStudioClient(label_studio.url, TOKEN)
        for _ in range(2):  # the places are new, and known
            before = label_studio.calls
            publication = Publication(
                client, 1, "model", items, SupersededName("model", now()), label_config=CONFIG, sweep=sweep
            )
            publication.begin()
            assert label_studio.calls - before == pytest.approx(publication.calls, abs=3)


def test_each_part_of_a_publication_tells_how_many_calls_it_took(tmp_path: Path) -> None:
    with settled(tmp_path) as connected:
        pools, pace = PoolCache(connected.project.runtime), Recorder(Clock())
        refresh_project(connected.project.runtime, pools, 1, lambda *_: None, republish=True, pace=pace)
        (first, calls), rest = pace.told
        assert first == 1
        assert calls >= 3  # the places that are stored, the project, the new places
        assert rest == (1, 0)  # nothing was left to change
