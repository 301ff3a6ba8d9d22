"""Photos that somebody wants answered before the others, put in front of an order without hiding its best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backend.priority.order import Order

BY_SCORE = "next by its score"
"""The reason of a photo that moved up into the window, where it was not compared with those before it."""


def ask_first(order: Order, rows: Sequence[int] | NDArray[np.integer], reason: str) -> Order:
    """The order with these rows of the pool at every other place from the first; those it does not hold are left out.

    Args:
        rows: rows of the pool, the most wanted first.
        reason: the sentence that stands beside each.
    """
    wanted = _places(order, rows)
    if not wanted:
        return order
    return _placed(order, _mixed(order, wanted), dict.fromkeys(wanted, reason))


def put_first(order: Order, rows: Sequence[int] | NDArray[np.integer], reason: str) -> Order:
    """The order with these rows of the pool before all others; those it does not hold are left out.

    Args:
        rows: rows of the pool, the most wanted first.
        reason: the sentence that stands beside each.
    """
    wanted = _places(order, rows)
    if not wanted:
        return order
    first = set(wanted)
    mixed = wanted + [place for place in range(order.rows.size) if place not in first]
    return _placed(order, mixed, dict.fromkeys(wanted, reason))


def put_last(order: Order, rows: Sequence[int] | NDArray[np.integer]) -> Order:
    """The order with these rows of the pool after all others."""
    away = np.isin(order.rows, np.asarray(rows, dtype=np.intp))
    if not away.any():
        return order
    return _placed(order, [*np.flatnonzero(~away).tolist(), *np.flatnonzero(away).tolist()], {})


def _places(order: Order, rows: Sequence[int] | NDArray[np.integer]) -> list[int]:
    """Places in the order of those of the rows that it holds."""
    places = {int(row): place for place, row in enumerate(order.rows)}
    return [places[int(row)] for row in rows if int(row) in places]


def _mixed(order: Order, wanted: Sequence[int]) -> list[int]:
    """Places of the order: the wanted ones at every other place from the first on."""
    first = set(wanted)
    others = [place for place in range(order.rows.size) if place not in first]
    mixed: list[int] = []
    for place, wish in enumerate(wanted):
        mixed.append(wish)
        mixed.extend(others[place : place + 1])
    mixed.extend(others[len(wanted) :])
    return mixed


def _placed(order: Order, mixed: Sequence[int], said: Mapping[int, str]) -> Order:
    """The order with its places taken as in `mixed`; the priorities stay where they are, so that they fall."""
    taken = np.array(mixed, dtype=np.intp)
    known = len(order.reasons)
    reasons = [said.get(place) or (order.reasons[place] if place < known else BY_SCORE) for place in mixed[:known]]
    return replace(
        order,
        rows=order.rows[taken],
        priority=np.sort(order.priority)[::-1],
        components={name: values[taken] for name, values in order.components.items()},
        reasons=reasons,
        evaluation=order.evaluation[taken],
    )
