"""`python -m backend run`: the loop over folders: a batch to label, the answers, a better model, the next batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.progress import TaskID

from backend.cli.console import messages, output, progress_bar
from backend.settings import load_settings

if TYPE_CHECKING:
    from backend.active_learning.loop_options import LoopListener

INTERRUPTED = 130


def run(
    unlabelled: Annotated[Path, typer.Option(help="Folder of photos to label; sub-folders are read too.")],
    working_dir: Annotated[
        Path, typer.Option(help="Folder for everything that the loop makes; its README.txt says what.")
    ],
    answers: Annotated[
        str | None,
        typer.Option(
            help="Labelled CSV of the batch that waits, as Timelapse exports it; or `folders`: the first folder of "
            "each photo's path is its label. Default: labelled.csv in the batch's folder.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        str, typer.Option(help="Comma-separated classes. Default: the class folders of --train and --validation.")
    ] = "",
    train: Annotated[Path | None, typer.Option(help="Class folders that are learnt from at once.")] = None,
    validation: Annotated[Path | None, typer.Option(help="Class folders to measure on; never learnt from.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures in a batch.")] = 100,
    budget: Annotated[int | None, typer.Option(min=1, help="Most answers in all. Default: no limit.")] = None,
    strategy: Annotated[str, typer.Option(help="Query strategy (`python -m backend strategies`).")] = "default",
    classifier: Annotated[
        str,
        typer.Option(
            help="What learns: graph (labels spread, as in the server), linear, mlp, knn, svm, random-forest."
        ),
    ] = "graph",
    balanced: Annotated[
        bool, typer.Option("--balanced/--simple", help="Whether rare classes weigh as much as frequent ones.")
    ] = True,
    loss: Annotated[
        Literal["triplet", "softmax", "off"],
        typer.Option(help="Also learn a projection of the embeddings, with this loss."),
    ] = "off",
    margin: Annotated[float, typer.Option(help="triplet: how much farther another class must be, in [0, 2].")] = 0.3,
    triplets: Annotated[
        Literal["hard", "semi-hard", "all"],
        typer.Option("--strategy-triplets", help="triplet: which triplets of a batch count."),
    ] = "hard",
    adaptation_steps: Annotated[int, typer.Option(min=1, help="Gradient steps of the projection.")] = 300,
    finetune_epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Instead of --adaptation-steps: how often the projection sees each answer."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="linear, mlp: how often they see each answer at most. Default: 60."),
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="Network (`python -m backend backbones`). Default: BACKBONE.")
    ] = None,
    detections: Annotated[
        Path | None, typer.Option(help="MegaDetector's JSON: crops are asked about, empty photos left out.")
    ] = None,
    confidence: Annotated[float, typer.Option(min=0, max=1, help="Detections less sure than this are left out.")] = 0.2,
    pictures: Annotated[
        bool, typer.Option(help="Put the pictures of a batch beside its CSV (links where possible).")
    ] = True,
    export: Annotated[bool, typer.Option(help="Write export/latest and export/best at the end of a run.")] = True,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn at random.")] = 0,
) -> None:
    """The loop over folders, without Label Studio: writes a batch as Timelapse reads it, takes the answers, goes on.

    Run it: it writes the first batch, with suggestions and a Timelapse template. Label it, save the CSV as labelled.csv
    beside it, run the same command again: it learns, measures, and writes the next. Kill it whenever you like.
    """
    from backend.cli.quiet import quiet_tensorflow

    quiet_tensorflow()
    from backend.active_learning.loop import LABELLED, run_loop
    from backend.active_learning.loop_options import LoopOptions

    options = LoopOptions(
        unlabelled=unlabelled,
        working_dir=working_dir,
        train=train,
        validation=validation,
        classes=tuple(dict.fromkeys(name.strip() for name in labels.split(",") if name.strip())),
        answers=answers,
        batch=batch,
        budget=budget,
        strategy=strategy,
        classifier=classifier,
        batches="balanced" if balanced else "simple",
        loss=loss,
        margin=margin,
        triplets=triplets,
        adaptation_steps=adaptation_steps,
        finetune_epochs=finetune_epochs,
        epochs=epochs,
        detections=detections,
        confidence=confidence,
        pictures=pictures,
        export=export,
        seed=seed,
    )
    settings = load_settings(**({"backbone": architecture} if architecture else {}))
    try:
        with _listening() as listener:
            end = run_loop(options, settings, listener)
    except KeyboardInterrupt:
        messages().print("Stopped; the same command goes on from here.")
        raise typer.Exit(INTERRUPTED) from None
    to = output()
    if end.results:
        last = end.results[-1]
        to.print(f"{end.answers} answers, validation accuracy {last.accuracy:.3f} ({last.low:.3f} to {last.high:.3f})")
    else:
        to.print(f"{end.answers} answers")
    if end.waiting is not None:
        to.print(
            f"Label {end.waiting}, save it as {end.waiting.with_name(LABELLED)}, and run the same command again.",
            markup=False,
        )


@contextmanager
def _listening() -> Iterator[LoopListener]:
    from backend.active_learning.loop_options import LoopListener

    bar = progress_bar()

    class Shown(LoopListener):
        """Sentences and bars on standard error."""

        def __init__(self) -> None:
            self._tasks: dict[str, TaskID] = {}

        def say(self, text: str) -> None:
            bar.console.print(escape(text))

        def embedding(self, what: str, done: int, total: int) -> None:
            if what not in self._tasks:
                self._tasks[what] = bar.add_task(what, total=total)
                bar.start()
            bar.update(self._tasks[what], completed=done, total=total)

    try:
        yield Shown()
    finally:
        if bar.live.is_started:
            bar.stop()
