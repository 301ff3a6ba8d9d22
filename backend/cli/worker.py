"""`worker`: only the background jobs; `serve` starts one by itself, other machines may add theirs."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.logs import configure_logging
from backend.demo.parent import end_with_parent
from backend.settings import load_settings
from backend.storage.opening import migrate_database


def worker(
    follow_parent: Annotated[bool, typer.Option(help="End when the process that started this one is gone.")] = False,
) -> None:
    """Run background jobs until Ctrl-C. On further machines: with DATABASE_URL, QUEUE_URL and a shared STATE_DIR."""
    from backend.worker.process import run_worker

    settings = load_settings()
    configure_logging(settings)
    if follow_parent:
        end_with_parent()
    else:
        migrate_database(settings)  # `serve`, the parent, has done so
    run_worker(settings)
