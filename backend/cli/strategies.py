"""`python -m backend strategies`: the query strategies, with where they come from."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

from backend.cli.console import output, table
from backend.errors import NotFoundError, suggestion


def strategies(
    name: Annotated[str | None, typer.Argument(help="Show all that is written about this one.")] = None,
) -> None:
    """List the query strategies that STRATEGY may name."""
    from backend.priority import order_pool
    from backend.priority.strategies import STRATEGIES

    described = {"default": order_pool, **STRATEGIES}
    if name is not None:
        if name not in described:
            raise NotFoundError(f"No query strategy is called {name!r}{suggestion(name, described)}")
        output().print(inspect.getdoc(described[name]) or "", markup=False)
        return
    rows = table("name", "what it asks for first")
    for known, strategy in described.items():
        rows.add_row(known, (inspect.getdoc(strategy) or "").split("\n", 1)[0])
    output().print(rows)
