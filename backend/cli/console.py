"""Where commands write: results to standard output, progress and complaints to standard error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from backend.progress import Status

WIDTH_OF_FILES = 160  # columns of tables that go to a file or a pipe
QUIET_SECONDS = 10.0  # how often a file or a pipe hears of something that takes long


def output() -> Console:
    """For results: what a script would read."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH_OF_FILES)


def messages() -> Console:
    """For everything a person reads while waiting."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def waiting(text: str) -> Iterator[Status]:
    """A line on standard error that says what is being waited for: with a spinner, or now and then where none can turn."""
    console = messages()
    if console.is_terminal:
        with console.status(f"{text} …") as spinner:
            yield lambda now: spinner.update(f"{now} …")
        return
    console.print(text, markup=False)
    said, said_at = text, time.monotonic()

    def status(now: str) -> None:
        nonlocal said, said_at
        if now != said and time.monotonic() - said_at >= QUIET_SECONDS:
            console.print(now, markup=False)
            said, said_at = now, time.monotonic()

    yield status


def progress_bar() -> Progress:
    """A progress bar on standard error; where that is no terminal only its end is shown."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=messages(),
    )


def table(*columns: str, title: str | None = None) -> Table:
    """A plain table whose long cells wrap."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made
