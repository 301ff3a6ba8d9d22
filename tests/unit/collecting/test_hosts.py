from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.collecting import ListedPhoto
from backend.collecting.hosts import AWAY_AFTER, HostQueues, host_of

pytestmark = pytest.mark.unit


def wanted(host: str, count: int) -> list[ListedPhoto]:
    return [ListedPhoto(f"http://{host}/{number}") for number in range(count)]


def everything(item: ListedPhoto) -> bool:
    return True


@given(
    counts=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    per_host=st.integers(1, 3),
    pause=st.sampled_from([0.0, 0.5, 2.0]),
    durations=st.lists(st.sampled_from([0.0, 0.3, 1.0, 5.0]), min_size=1, max_size=5),
)
def test_every_address_is_asked_once_and_no_host_too_often(
    counts: list[int], per_host: int, pause: float, durations: list[float]
) -> None:
    items = [item for number, count in enumerate(counts) for item in wanted(f"h{number}", count)]
    queues = HostQueues(items, per_host, pause)
    now, asked = 0.0, []
    running: list[tuple[float, ListedPhoto]] = []
    last: dict[str, float] = {}
    while True:
        while (item := queues.take(now, everything)) is not None:
            host = host_of(item.url)
            assert now >= last.get(host, -pause) + pause
            last[host] = now
            asked.append(item)
            running.append((now + durations[len(asked) % len(durations)], item))
            assert Counter(host_of(other.url) for _, other in running)[host] <= per_host
        times = [end for end, _ in running] + [at for at in [queues.next_at()] if at is not None]
        if not times:
            break
        now = max(now, min(times))
        for end, item in [entry for entry in running if entry[0] <= now]:
            running.remove((end, item))
            assert queues.answered(item, failed=False) == []
    assert sorted(item.url for item in asked) == sorted(item.url for item in items)


def test_a_host_that_is_slow_does_not_keep_the_others_waiting() -> None:
    queues = HostQueues(wanted("slow", 50) + wanted("quick", 2), 1, 10.0)
    taken = [queues.take(0.0, everything) for _ in range(3)]
    assert [item and host_of(item.url) for item in taken] == ["slow", "quick", None]
    assert queues.next_at() is None  # nothing before one of them answers


def test_a_host_that_fails_again_and_again_is_given_up() -> None:
    queues = HostQueues(wanted("dead", 10) + wanted("alive", 1), 1, 0.0)
    given_up: list[ListedPhoto] = []
    for _ in range(AWAY_AFTER + 1):
        item = queues.take(0.0, everything)
        assert item is not None
        given_up += queues.answered(item, failed=host_of(item.url) == "dead")
    assert len(given_up) == 10 - AWAY_AFTER
    assert queues.take(0.0, everything) is None


def test_a_host_that_is_asked_too_much_is_left_alone_for_a_while() -> None:
    queues = HostQueues(wanted("busy", 3), 2, 0.0)
    item = queues.take(0.0, everything)
    assert item is not None
    queues.answered(item, failed=None)
    queues.slow_down(item, 0.0, 4.0)
    assert queues.take(3.9, everything) is None
    assert queues.next_at() == 4.0
    assert queues.take(4.0, everything) is not None


@pytest.mark.parametrize("url", ["http://[::1", "no address", "", "http://user:word@HOST:80/x"])
def test_any_text_has_a_host_or_none(url: str) -> None:
    assert host_of(url) in ("", "host:80")
