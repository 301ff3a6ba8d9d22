"""The order as people wish it: what they pushed to the top first, what they pushed away last."""

from __future__ import annotations

from backend.priority import Order
from backend.priority.asked_first import put_first, put_last
from backend.service.context.context import Runtime
from backend.service.pool.cache import ProjectPool
from backend.service.projects.wishes import wishes

WISHED = "somebody asked for it first"


def as_wished(runtime: Runtime, project_id: int, pool: ProjectPool, order: Order) -> Order:
    """The order with the wishes of a project fulfilled, the newest first."""
    rows: dict[str, list[int]] = {"first": [], "last": []}
    for task, wish in wishes(runtime, project_id).items():
        if task in pool.row_of:
            rows[wish].append(pool.row_of[task])
    return put_last(put_first(order, rows["first"], WISHED), rows["last"])
