"""The loop over folders against a random order: validation accuracy after each batch, on even and on long-tailed classes.

    python -m benchmarks.folder_loop --image-dir sports50 --output loop.png

`--image-dir` holds `pool` and `test`, class folders each. Every loop is `python -m backend run --answers folders`, with a
working folder of its own; photos are embedded once and kept in STATE_DIR. Long-tailed: the class in place k of a shuffled
list keeps max(5, n / k) of its n photos.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from rich.console import Console
from rich.table import Table

from backend.active_learning.loop import run_loop
from backend.active_learning.loop_options import FOLDERS, LoopListener, LoopOptions
from backend.active_learning.workdir import Result
from backend.settings import Settings, load_settings
from backend.simulation.photos import class_folders

LEAST = 5  # photos of a rare class


def long_tailed(pool: Path, target: Path, seed: int) -> Path:
    """A folder of links to the photos of `pool`, with few of most classes."""
    chance = random.Random(seed)
    classes = list(class_folders(pool))
    chance.shuffle(classes)
    for place, name in enumerate(classes, start=1):
        photos = sorted(path for path in (pool / name).iterdir() if path.is_file())
        (target / name).mkdir(parents=True)
        for path in chance.sample(photos, min(len(photos), max(LEAST, len(photos) // place))):
            (target / name / path.name).symlink_to(path.resolve())
    return target


class _Shown(LoopListener):
    def __init__(self, console: Console, what: str) -> None:
        self._status = console.status(what)
        self._what = what

    def __enter__(self) -> _Shown:
        self._status.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._status.stop()

    def embedding(self, what: str, done: int, total: int) -> None:
        self._status.update(f"{self._what}: {what} {done:,} of {total:,}")


def curve(pool: Path, test: Path, strategy: str, arguments: argparse.Namespace, settings: Settings) -> list[Result]:
    """The results of a loop, batch by batch."""
    with (
        tempfile.TemporaryDirectory() as work,
        _Shown(Console(stderr=True), f"{strategy} on {pool.name}") as listener,
    ):
        options = LoopOptions(
            unlabelled=pool,
            working_dir=Path(work) / "loop",
            validation=test,
            answers=FOLDERS,
            batch=arguments.batch,
            budget=arguments.budget,
            strategy=strategy,
            classifier=arguments.classifier,
            pictures=False,
            export=False,
            seed=arguments.seed,
        )
        return list(run_loop(options, settings, listener).results)


def draw(curves: dict[str, dict[str, list[Result]]], output: Path) -> None:
    """One picture: a panel for each pool, a line with its 95 % band for each strategy."""
    figure, panels = plt.subplots(1, len(curves), figsize=(10, 4), sharey=True, layout="constrained", squeeze=False)
    for panel, (pool, lines) in zip(panels[0], curves.items(), strict=True):
        for strategy, results in lines.items():
            labels = [result.answers for result in results]
            (line,) = panel.plot(labels, [result.accuracy for result in results], marker="o", ms=3, label=strategy)
            low, high = [result.low for result in results], [result.high for result in results]
            panel.fill_between(labels, low, high, alpha=0.15, color=line.get_color(), linewidth=0)
        panel.set(title=pool, xlabel="labels", ylim=(0, 1))
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("accuracy on the test photos")
    panels[0][-1].legend(loc="lower right", frameon=False)
    figure.savefig(output, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-dir", type=Path, required=True)
    parser.add_argument("--strategies", default="default,random")
    parser.add_argument("--classifier", default="graph")
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--budget", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="also draw the curves into this PNG")
    arguments = parser.parse_args()
    settings = load_settings()
    pool, test = arguments.image_dir / "pool", arguments.image_dir / "test"
    strategies: Sequence[str] = arguments.strategies.split(",")
    with tempfile.TemporaryDirectory() as folder:
        pools = {
            "even classes": pool,
            "long-tailed classes": long_tailed(pool, Path(folder) / "long_tailed", arguments.seed),
        }
        curves = {
            title: {strategy: curve(place, test, strategy, arguments, settings) for strategy in strategies}
            for title, place in pools.items()
        }
    for title, lines in curves.items():
        table = Table("labels", *lines, title=title)
        for results in zip(*lines.values(), strict=False):
            table.add_row(str(results[0].answers), *(f"{result.accuracy:.3f}" for result in results))
        Console(width=100).print(table)
    if arguments.output is not None:
        draw(curves, arguments.output)


if __name__ == "__main__":
    main()
