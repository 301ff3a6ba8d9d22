"""Group commit: what comes while a group is being stored is stored together by the next one.

A commit waits for the disk, and most of a transaction's work is the same for one thing and for twenty. Nothing waits
for a group to fill: alone, a thing is stored at once; the more come, the larger the groups.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
Errors = tuple[type[Exception], ...]
Store = Callable[[Sequence[T]], "Sequence[R | Exception]"]

log = logging.getLogger(__name__)


def store_together(
    store: Store[T, R], items: Sequence[T], shared: Errors, *, alone: Store[T, R] | None = None
) -> Sequence[R | Exception]:
    """Store things at once, or each alone where that fails: then only the thing at fault does. What came of each.

    Args:
        store: stores a group, all or nothing; gives back one outcome for each thing.
        shared: errors of `store` that have nothing to do with the things: they are raised.
        alone: stores one thing after the group failed; None: as `store`.
    """
    try:
        outcomes = store(items)
        if len(outcomes) != len(items):
            raise RuntimeError(f"{len(outcomes)} outcomes for {len(items)} things")
    except shared:
        raise
    except Exception as error:
        log.exception("a group of %d cannot be stored", len(items))
        if len(items) == 1:
            return [error]
        return [store_together(alone or store, [item], shared)[0] for item in items]
    return outcomes


class _Waiting(Generic[T, R]):
    """One thing and its thread, which waits until it is stored, or until it is its turn to store the next group."""

    def __init__(self, item: T) -> None:
        self.item = item
        self.outcome: R | Exception | None = None
        self.ended = False
        self.awake = threading.Event()


class GroupCommit(Generic[T, R]):
    """Stores things in groups; called from many threads. The threads that bring things also store them.

    Args:
        store, shared, alone: as in `store_together`; a shared error is raised for each thing of the group.
        most: things in a group.
    """

    def __init__(
        self, store: Store[T, R], *, shared: Errors, alone: Store[T, R] | None = None, most: int = 100
    ) -> None:
        self._store = store
        self._alone = alone
        self._shared = shared
        self._most = most
        self._lock = threading.Lock()
        self._queue: list[_Waiting[T, R]] = []
        self._busy = False

    def __len__(self) -> int:
        """How many things wait for the next group."""
        return len(self._queue)

    def put(self, item: T) -> R:
        """Store a thing, with whatever else waits; its result once its group is stored.

        Raises:
            Exception: what `store` raised, or gave back in the place of a result.
        """
        mine: _Waiting[T, R] = _Waiting(item)
        with self._lock:
            self._queue.append(mine)
            leads, self._busy = not self._busy, True
        if not leads:
            mine.awake.wait()
        if not mine.ended:
            self._lead()
        if isinstance(mine.outcome, Exception):
            raise mine.outcome
        return mine.outcome  # type: ignore[return-value]  # it has ended

    def _lead(self) -> None:
        """Store the next group, and hand over, whatever happens: nobody may be left waiting."""
        with self._lock:
            group, self._queue = self._queue[: self._most], self._queue[self._most :]
        outcomes: Sequence[R | Exception] = [RuntimeError("The thread that stored this was stopped.")] * len(group)
        try:
            items = [waiting.item for waiting in group]
            outcomes = store_together(self._store, items, self._shared, alone=self._alone)
        except self._shared as error:
            outcomes = [error] * len(group)
        finally:
            self._hand_over(group, outcomes)

    def _hand_over(self, group: Sequence[_Waiting[T, R]], outcomes: Sequence[R | Exception]) -> None:
        """Tell a group what came of it; the first of those that came meanwhile stores the next one."""
        for waiting, outcome in zip(group, outcomes, strict=True):
            waiting.outcome, waiting.ended = outcome, True
        with self._lock:
            following = self._queue[0] if self._queue else None
            self._busy = following is not None
        for waiting in group:
            waiting.awake.set()
        if following is not None:
            following.awake.set()
