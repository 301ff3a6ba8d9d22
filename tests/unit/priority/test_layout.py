from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.priority import LayoutCache, Order, OrderOptions, PoolView, influence, layout, order_pool
from tests.unit.priority.views import random_view

pytestmark = pytest.mark.unit


def with_graph(n: int, seed: int = 0) -> PoolView:
    """A pool with the five nearest neighbours of each photo."""
    view = random_view(n, seed=seed)
    cosines = view.space @ view.space.T
    np.fill_diagonal(cosines, -2.0)
    nearest = np.argsort(-cosines, axis=1)[:, :5]
    found = np.take_along_axis(cosines, nearest, axis=1).astype(np.float32)
    return replace(view, neighbours=nearest.astype(np.int32), similarities=found)


def same(first: Order, second: Order) -> bool:
    components = all(np.array_equal(first.components[name], second.components[name]) for name in first.components)
    numbers = np.array_equal(first.rows, second.rows) and np.array_equal(first.priority, second.priority)
    return numbers and components and first.reasons == second.reasons


@pytest.mark.parametrize("kept_up_to", [10, 50_000])
@pytest.mark.parametrize("weights", [{}, {"typicality": 0.5}])
def test_what_is_kept_changes_no_order(
    monkeypatch: pytest.MonkeyPatch, kept_up_to: int, weights: dict[str, float]
) -> None:
    monkeypatch.setattr(influence, "KEPT_UP_TO", kept_up_to)
    monkeypatch.setattr(layout, "KEPT_UP_TO", kept_up_to)
    view, layouts = with_graph(90), LayoutCache()
    options = OrderOptions(window=20, weights=weights)
    order = order_pool(view, options, layouts=layouts)
    for _ in range(25):  # from few answers on to so many that what they say of others narrows
        assert same(order, order_pool(view, options))
        labelled = view.labelled.copy()
        labelled[order.rows[:2]] = True
        view = replace(view, labelled=labelled)
        order = order_pool(view, options, layouts=layouts)


def test_other_photos_get_a_layout_of_their_own() -> None:
    view, layouts = with_graph(60), LayoutCache()
    options = OrderOptions(window=20)
    order_pool(view, options, layouts=layouts)
    there = np.flatnonzero(np.arange(60) % 7 > 0)  # some were deleted
    assert view.neighbours is not None
    assert view.digests is not None
    for changed, rows in (
        (with_graph(60, seed=1), None),
        (view, there),
        (replace(view, neighbours=np.ascontiguousarray(view.neighbours[:, ::-1])), None),
        (replace(view, digests=[digest[::-1] for digest in view.digests]), None),
    ):
        order_pool(view, options, layouts=layouts)
        found = order_pool(changed, options, rows=rows, layouts=layouts)
        assert same(found, order_pool(changed, options, rows=rows))


def test_the_reach_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    one_step = influence._one_step
    monkeypatch.setattr(influence, "_one_step", lambda *arguments: made.append(1) or one_step(*arguments))
    view, layouts = with_graph(60), LayoutCache()
    for _ in range(3):
        order_pool(view, layouts=layouts)
    assert len(made) == 1


def test_it_says_what_it_holds() -> None:
    view, layouts = with_graph(60), LayoutCache()
    assert layouts.held == []
    order_pool(view, layouts=layouts)
    steps = next(item for item in layouts.held if isinstance(item, influence.TwoSteps))
    assert steps.kept is not None
    assert steps.kept.nnz >= 60
    assert any(isinstance(item, np.ndarray) and item.size == 60 for item in layouts.held)
