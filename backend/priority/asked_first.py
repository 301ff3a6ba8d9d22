"""Photos that somebody wants answered before the others, put in front of an order without hiding its best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backend.priority.order import Order


def ask_first(order: Order, rows: Sequence[int] | NDArray[np.integer], reason: str) -> Order:
    """The order with these rows of the pool at every other place from the first on; those it does not hold are left out.

    Args:
        rows: rows of the pool, the most wanted first.
        reason: the sentence that stands beside each.
    """
    places = {int(row): place for place, row in enumerate(order.rows)}
    wanted = [places[int(row)] for row in rows if int(row) in places]
    if not wanted:
        return order
    first = set(wanted)
    others = [place for place in range(order.rows.size) if place not in first]
    mixed: list[int] = []
    for place, wish in enumerate(wanted):
        mixed.append(wish)
        mixed.extend(others[place : place + 1])
    mixed.extend(others[len(wanted) :])
    taken = np.array(mixed, dtype=np.intp)
    said = [
        reason if place in first else order.reasons[place]
        for place in mixed
        if place in first or place < len(order.reasons)
    ]
    return replace(
        order,
        rows=order.rows[taken],
        priority=np.sort(order.priority)[::-1],
        components={name: values[taken] for name, values in order.components.items()},
        reasons=said[: len(order.reasons)],
        evaluation=order.evaluation[taken],
    )
