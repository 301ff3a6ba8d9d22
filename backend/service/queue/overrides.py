"""The order as people overrode it: what they pushed to the top first, what they pushed away last."""

from __future__ import annotations

from backend.priority import Order
from backend.priority.asked_first import put_first, put_last
from backend.service.context.context import Runtime
from backend.service.pool.cache import ProjectPool
from backend.service.projects.queue_overrides import queue_overrides

PUSHED = "somebody asked for it first"


def apply_overrides(runtime: Runtime, project_id: int, pool: ProjectPool, order: Order) -> Order:
    """The order with the overrides of a project applied, the newest first."""
    rows: dict[str, list[int]] = {"first": [], "last": []}
    for task, position in queue_overrides(runtime, project_id).items():
        if task in pool.row_of:
            rows[position].append(pool.row_of[task])
    return put_last(put_first(order, rows["first"], PUSHED), rows["last"])
