"""`worker`: only the background jobs; `serve` starts both lanes by itself, other machines may add theirs."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.supervisor import Supervisor
from backend.demo.parent import end_with_parent
from backend.jobs.kinds import Lane
from backend.logs import configure_logging
from backend.settings import load_settings
from backend.storage.opening import migrate_database


def worker(
    lane: Annotated[
        Lane | None,
        typer.Option(help="Run only these jobs: quick (sync, refresh) or long (embed, train, fine-tune, re-embed)."),
    ] = None,
    follow_parent: Annotated[bool, typer.Option(help="End when the process that started this one is gone.")] = False,
) -> None:
    """Run background jobs until Ctrl-C. On further machines: with DATABASE_URL, QUEUE_URL and a shared STATE_DIR.

    Without --lane, a process for each of the two.
    """
    settings = load_settings()
    configure_logging(settings)
    if not follow_parent:  # else the parent has done so
        migrate_database(settings)
    if lane is None:
        raise typer.Exit(Supervisor(workers=[worker_command(each) for each in Lane]).run())
    from backend.worker.process import run_worker

    if follow_parent:
        end_with_parent()
    run_worker(settings, lane)


def worker_command(lane: Lane) -> list[str]:
    """The command that runs one lane."""
    return ["worker", "--lane", lane.value]
