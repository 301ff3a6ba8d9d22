"""Every query strategy on the same photos with the same learner, in one table.

    python -m benchmarks.strategies --image-dir photos/ --budget 1000 --seeds 3
    python -m benchmarks.strategies --embeddings photos.npz --strategies default,margin,random

Plays the annotator, as `python -m backend simulate` does, for `default` (this product's order), for each strategy of
the registry and for scikit-activeml's margin, CoreSet, TypiClust and Badge. All of them see the same embeddings, the
same beliefs and the same number of labels at a time, and the same learner takes up the labels; `random+head` alone
learns otherwise, a logistic regression on the labelled photos. Nobody is told anything by the names of the classes. A
random half of each class is the pool (`--pool-share`), another half for each seed; accuracy is measured on the rest.

The last two columns compare each with `default`, at the mark from 10 labels on where it is furthest ahead of it: by how
many points of accuracy in the mean of the seeds, and at how many labels.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from backend.priority import STRATEGIES, Strategy
from backend.simulation.engine import RANDOM_HEAD, Run, Setting, play, pool_model_of
from backend.simulation.photos import Photos, split_by_class
from backend.simulation.report import labels_needed, write_curves
from benchmarks.photos import from_folder, from_npz

try:
    from benchmarks.scikit_activeml import ADAPTERS
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "skactiveml":
        raise
    print("Without scikit-activeml's strategies: `uv sync --group bench` installs it.", file=sys.stderr)
    ADAPTERS = {}

FloatArray = NDArray[np.float64]

OURS = "default"
SHOWN = (10, 20, 50, 100, 200, 300, 600, 1000, 2000)
"""Labels at which the table has a column; the budget has one too."""

TARGET = 0.9
KNOWN: Mapping[str, Strategy] = {**STRATEGIES, **ADAPTERS}


def entrants(names: str) -> tuple[str, ...]:
    """The strategies asked for; `all` = ours, the registry and scikit-activeml's."""
    known = (OURS, RANDOM_HEAD, *KNOWN)
    if names == "all":
        return known
    wanted = tuple(dict.fromkeys(name.strip() for name in names.split(",")))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise SystemExit(f"--strategies: unknown {', '.join(unknown)}; known: all, {', '.join(known)}")
    return wanted


def area(runs: list[Run], strategy: str) -> float:
    """Mean height of a strategy's curves, [0, 1]: each point counts for the labels since the one before."""
    heights = []
    for run in runs:
        if run.strategy == strategy:
            spent = np.diff([0, *(point.labels for point in run.points)])
            heights.append(float(np.average([point.accuracy for point in run.points], weights=spent)))
    return float(np.mean(heights))


def heights(runs: list[Run], strategy: str) -> dict[int, FloatArray]:
    """Labels -> accuracy with each seed, where all seeds have a point."""
    mine = [{point.labels: point.accuracy for point in run.points} for run in runs if run.strategy == strategy]
    shared = set(mine[0]).intersection(*mine)
    return {mark: np.array([curve[mark] for curve in mine]) for mark in sorted(shared)}


def furthest_ahead(theirs: Mapping[int, FloatArray], ours: Mapping[int, FloatArray]) -> tuple[float, int]:
    """By how many points, and at how many labels, they are furthest ahead of ours, from the tenth label on."""
    ahead = {mark: 100.0 * float((theirs[mark] - ours[mark]).mean()) for mark in theirs if mark >= 10 and mark in ours}
    mark = max(ahead, key=lambda labels: ahead[labels])
    return ahead[mark], mark


def table(runs: list[Run]) -> Table:
    """One row for each strategy, the one with the highest curve first."""
    curves = {name: heights(runs, name) for name in dict.fromkeys(run.strategy for run in runs)}
    budget = max(max(curve) for curve in curves.values())
    marks = [mark for mark in (*SHOWN, budget) if any(mark in curve for curve in curves.values())]
    marks = sorted(set(marks))
    columns = ["strategy", *map(str, marks), f"labels for {TARGET:.0%}", "mean", "s a re-rank", "ahead", "at"]
    shown = Table(*columns)
    for name in sorted(curves, key=lambda name: -area(runs, name)):
        curve, mine = curves[name], [run for run in runs if run.strategy == name]
        needed = [labels_needed(run.points, TARGET) for run in mine]
        reached = [value for value in needed if value is not None]
        ahead, at = furthest_ahead(curve, curves[OURS]) if OURS in curves and name != OURS else (None, None)
        shown.add_row(
            name,
            *(f"{curve[mark].mean():.3f} ± {curve[mark].std():.3f}" if mark in curve else "–" for mark in marks),
            f"{np.mean(reached):.0f}" if len(reached) == len(needed) else "–",
            f"{area(runs, name):.3f}",
            f"{np.mean([run.order_seconds for run in mine]):.2f}",
            "–" if ahead is None else f"{ahead:+.1f}",
            "–" if at is None else str(at),
        )
    return shown


def main(arguments: list[str] | None = None) -> int:
    """Play, print the table, write the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--image-dir", type=Path, help="one folder of photos for each class")
    source.add_argument("--embeddings", type=Path, help="npz file with embeddings, labels and classes")
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--state-dir", type=Path, default=Path(".state"), help="weights and embeddings are kept here")
    parser.add_argument("--strategies", default="all", help="comma-separated; default: all")
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=10, help="labels between two looks at the pool")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pool-share", type=float, default=0.5, help="share of each class that is the pool")
    parser.add_argument("--output", type=Path, help="write curve.json, curve.png and curve.html into this folder")
    options = parser.parse_args(arguments)
    names = entrants(options.strategies)
    if options.embeddings:
        photos, classes = from_npz(options.embeddings)
    else:
        stored, classes, backbone = from_folder(
            options.image_dir, backbone=options.backbone, state_dir=options.state_dir
        )
        photos = Photos(backbone.features(stored.embeddings), stored.labels, stored.digests)
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=200)
    runs: list[Run] = []
    with Progress(console=console) as progress:
        for seed in range(options.seeds):
            pool, test = split_by_class(photos, seed, share=options.pool_share)
            setting = Setting(pool, test, classes, budget=options.budget, batch=options.batch)
            model = pool_model_of(setting, seed)  # the graph is the same for all of them
            for name in names:
                task = progress.add_task(f"{name}, seed {seed}", total=1.0)
                tell = partial(_tell, progress, task)
                runs.append(play(setting, name, seed, tell, strategies=KNOWN, model=model.fork()))
    console.print(f"{len(classes)} classes, pool {len(pool):,}, test {len(test):,}")
    console.print(table(runs))
    if options.output:
        write_curves(runs, options.output, f"{len(classes)} classes, all strategies with the same learner")
    return 0


def _tell(progress: Progress, task: TaskID, share: float) -> None:
    progress.update(task, completed=share)


if __name__ == "__main__":
    sys.exit(main())
