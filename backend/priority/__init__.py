"""What to label next: one total order over the unlabelled pool, from arrays alone."""

from __future__ import annotations

from backend.priority.evaluation_sample import evaluation_mask
from backend.priority.layout import LayoutCache
from backend.priority.options import COMPONENTS, OrderOptions
from backend.priority.order import Order, check_strategy, order_pool
from backend.priority.pool_view import PoolView
from backend.priority.strategies import STRATEGIES, Strategy

__all__ = [
    "COMPONENTS",
    "STRATEGIES",
    "LayoutCache",
    "Order",
    "OrderOptions",
    "PoolView",
    "Strategy",
    "check_strategy",
    "evaluation_mask",
    "order_pool",
]
