"""What to label next: one total order over the unlabelled pool, from arrays alone."""

from __future__ import annotations

from backend.priority.evaluation_sample import evaluation_mask
from backend.priority.options import COMPONENTS, OrderOptions
from backend.priority.order import Order, order_pool
from backend.priority.pool_view import PoolView

__all__ = ["COMPONENTS", "Order", "OrderOptions", "PoolView", "evaluation_mask", "order_pool"]
