"""Group commit: what comes while a group is stored is stored together by the next one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest

from backend.service.ingest.grouped import GroupCommit, store_together

pytestmark = pytest.mark.unit

THREADS = 16


class Store:
    """Stores numbers, a group at a time; the first group waits until it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun, self.free = threading.Event(), threading.Event()
        self._alone = threading.Lock()

    def __call__(self, items: Sequence[int]) -> list[int]:
        assert self._alone.acquire(blocking=False), "two groups at a time"
        try:
            self.groups.append(list(items))
            self.begun.set()
            assert self.free.wait(60)
            if -1 in items:
                raise ValueError("-1 cannot be stored")
            if -2 in items:
                raise ConnectionError("out of reach")
            return [10 * item for item in items]
        finally:
            self._alone.release()


def together(store: Store, items: Sequence[int], *, most: int = 100) -> list[Future[int]]:
    """Put 0, and while it is being stored all of `items`, each from a thread of its own."""
    group: GroupCommit[int, int] = GroupCommit(store, shared=(ConnectionError,), most=most)
    with ThreadPoolExecutor(len(items) + 1) as threads:
        futures = [threads.submit(group.put, 0)]
        assert store.begun.wait(60)
        for number, item in enumerate(items, 1):
            futures.append(threads.submit(group.put, item))
            until(partial(waits, group, number))
        store.free.set()
    return futures


def waits(group: GroupCommit[int, int], number: int) -> bool:
    return len(group) == number


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(6000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("waited in vain")


def test_what_comes_meanwhile_is_stored_together() -> None:
    store = Store()
    futures = together(store, range(1, THREADS))
    assert [future.result() for future in futures] == [10 * number for number in range(THREADS)]
    assert store.groups == [[0], list(range(1, THREADS))]


def test_a_group_has_an_upper_bound() -> None:
    store = Store()
    futures = together(store, range(1, 8), most=3)
    assert [future.result() for future in futures] == [10 * number for number in range(8)]
    assert store.groups == [[0], [1, 2, 3], [4, 5, 6], [7]]


def test_one_at_fault_fails_alone() -> None:
    store = Store()
    futures = together(store, [1, -1, 2])
    assert [future.result() for future in futures[:2]] == [0, 10]
    with pytest.raises(ValueError, match="-1"):
        futures[2].result()
    assert futures[3].result() == 20
    assert store.groups == [[0], [1, -1, 2], [1], [-1], [2]]


def test_what_is_out_of_reach_is_so_for_all_and_tried_once() -> None:
    store = Store()
    futures = together(store, [1, -2, 2])
    assert futures[0].result() == 0
    for future in futures[1:]:
        with pytest.raises(ConnectionError):
            future.result()
    assert store.groups == [[0], [1, -2, 2]]


def test_alone_nothing_waits_and_an_error_is_raised_as_it_is() -> None:
    store = Store()
    store.free.set()
    group: GroupCommit[int, int] = GroupCommit(store, shared=())
    assert group.put(4) == 40
    with pytest.raises(ValueError, match="-1"):
        group.put(-1)
    assert group.put(5) == 50
    assert len(group) == 0


def test_many_threads_lose_nothing() -> None:
    stored: list[int] = []

    def store(items: Sequence[int]) -> list[int]:
        stored.extend(items)
        return [-item for item in items]

    group: GroupCommit[int, int] = GroupCommit(store, shared=(), most=5)
    with ThreadPoolExecutor(THREADS) as threads:
        results = list(threads.map(group.put, range(4000)))
    assert results == [-number for number in range(4000)]
    assert sorted(stored) == list(range(4000))


def test_nobody_waits_for_ever_where_a_thread_is_stopped() -> None:
    store = Store()

    def stopped(items: Sequence[int]) -> list[int]:
        if -3 in items:
            raise SystemExit
        return store(items)

    group: GroupCommit[int, int] = GroupCommit(stopped, shared=())
    with ThreadPoolExecutor(4) as threads:
        futures = [threads.submit(group.put, 0)]
        assert store.begun.wait(60)
        for number, item in enumerate((-3, 1), 1):
            futures.append(threads.submit(group.put, item))
            until(partial(waits, group, number))
        store.free.set()
        assert futures[0].result(60) == 0
        with pytest.raises(SystemExit):
            futures[1].result(60)
        with pytest.raises(RuntimeError, match="stopped"):
            futures[2].result(60)
        assert threads.submit(group.put, 2).result(60) == 20


def test_a_thing_without_an_outcome_has_an_error() -> None:
    group: GroupCommit[int, int] = GroupCommit(lambda items: [], shared=())
    with pytest.raises(RuntimeError, match="0 outcomes for 1 things"):
        group.put(1)


def test_what_a_failed_group_may_have_stored_is_stored_again_by_another_way() -> None:
    store = Store()
    store.free.set()
    outcomes = store_together(store, [1, -1], (), alone=lambda items: [100 * item for item in items])
    assert outcomes == [100, -100]
