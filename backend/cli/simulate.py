"""`python -m backend simulate`: what a strategy is worth, measured on photos whose classes are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from backend.cli.console import messages, output, table
from backend.settings import load_settings


def simulate(
    image_dir: Annotated[Path, typer.Option(help="One folder of photos for each class; the annotator's answers.")],
    output_dir: Annotated[
        Path, typer.Option("--output", help="Folder for curve.json, curve.png and curve.html.")
    ] = Path("out"),
    test_dir: Annotated[
        Path | None, typer.Option(help="Folders of the same classes to measure on. Default: half of each class.")
    ] = None,
    strategies: Annotated[
        str, typer.Option(help="Comma-separated names (`python -m backend strategies`); random+head is always played.")
    ] = "default",
    budget: Annotated[int, typer.Option(min=1, help="Most labels.")] = 1000,
    seeds: Annotated[int, typer.Option(min=1, help="How often each strategy is played.")] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Labels between two re-rankings.")] = 10,
    evaluation_share: Annotated[
        float | None,
        typer.Option(help="Share of the pool labelled for evaluation only. Default: 0 with --test-dir, else 0.1."),
    ] = None,
    distractors: Annotated[
        Path | None, typer.Option(help="Folder of photos that do not belong; they are mixed into the pool.")
    ] = None,
    relevance: Annotated[
        str | None, typer.Option(help="Comma-separated roots of what is relevant. Default: RELEVANCE.")
    ] = None,
) -> None:
    """Play the annotator: accuracy against labels spent, for any strategy, through the same code as the server."""
    from backend.simulation import run, table_rows

    settings = load_settings(**({"relevance": relevance} if relevance is not None else {}))
    with _progress() as progress:
        result = run(
            image_dir,
            output_dir,
            settings,
            test_dir=test_dir,
            strategies=_names(strategies),
            budget=budget,
            seeds=seeds,
            batch=batch,
            evaluation_share=evaluation_share,
            distractors=distractors,
            relevance=settings.relevance,
            progress=progress,
        )
    header, body = table_rows(result.summaries)
    rows = table(
        *header,
        title=f"{len(result.classes)} classes, {result.pool_size} photos in the pool, {result.test_size} to measure on",
    )
    for row in body:
        rows.add_row(*row)
    output().print(rows, markup=False)
    output().print(f"Curves: {output_dir / 'curve.html'}", markup=False)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    return names or ("default",)


@contextmanager
def _progress() -> Iterator[Callable[[float, str], None]]:
    """A bar for each step; it appears with the first, so that what fails before leaves none behind."""
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=messages())
    steps = {}

    def progress(share: float, text: str) -> None:
        if text not in steps:
            steps[text] = bar.add_task(text, total=1.0)
            bar.start()
        bar.update(steps[text], completed=share)

    try:
        yield progress
    finally:
        if bar.live.is_started:
            bar.stop()
