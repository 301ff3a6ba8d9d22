"""Is the default order behind any strategy on any kind of project? Classes, photos, balance, strangers and prior vary.

    python -m benchmarks.variants --image-dir sports50/pool --test-dir sports50/test --strangers imagenet200 \\
        --variants 20x50,20x50-zipf,20x20-strangers70-prior --half even --seeds 4 --output even.jsonl

A variant is CLASSESxPHOTOS and traits: `-zipf` (the class of rank r has PHOTOS / r photos, two at least), `-strangers70`
(70 % of the pool belong to none of the classes: the photos of their folder first, then such of the other half's classes),
`-crowds70` (of the other half's classes alone), `-prior` (ImageNet tells of the names and of relevance). Each seed draws
classes, of those in even or odd places of the alphabet or of all, and photos of them; up to 30 others of each class are
what accuracy is measured on. Every strategy gets the same pool, beliefs and learner.

Each game is a line of the output file as soon as it is over, and is not played again. Three figures: accuracy on the test
photos; the share of the pool that is right, answers included, which no strategy raises by leaving easy photos over; and
the share of the answers that were about what does not belong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from re import fullmatch

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from backend.simulation.engine import RANDOM_HEAD, Run, Setting, play, pool_model_of
from backend.simulation.photos import (
    DISTRACTOR,
    Hierarchy,
    IntArray,
    Photos,
    label_space,
    readable,
    with_zero_shot,
)
from benchmarks.first_labels import Embedded, embed
from benchmarks.strategies import KNOWN, OURS, entrants

FloatArray = NDArray[np.float64]
Curve = Mapping[int, Sequence[float]]
"""Labels -> the figures of `FIGURES`, as many as there are."""
Curves = dict[tuple[str, str, int], Curve]
"""(variant, strategy, seed) -> its curve."""

FIGURES = ("test photos", "pool, answers included", "answers about what does not belong")
MARKS = (10, 20, 30, 50, 70, 100, 150, 200, 300, 400, 600, 800, 1000, 1200, 1500, 2000)
MOST_TESTED = 30
LABELLED = 0.6
"""Most of the pool that is labelled: with all of it every order is the same."""
FEWEST_OF_ZIPF = 2
TOLERANCE = 0.3
"""Points behind another strategy, or lost between two marks, that are of no matter."""


@dataclass(frozen=True)
class Variant:
    """A kind of project.

    Attributes:
        classes: at most, as many as the half has.
        photos: of each class; of the largest one where they are unequal.
        zipf: the class of rank r has photos / r.
        strangers: per cent of the pool that belong to none of the classes.
        crowds: these are photos of other classes alone.
        prior: ImageNet tells of the names and of relevance.
    """

    classes: int
    photos: int
    zipf: bool = False
    strangers: int = 0
    crowds: bool = False
    prior: bool = False

    @classmethod
    def parsed(cls, name: str) -> Variant:
        """That of a name such as `20x50-zipf-prior`."""
        found = fullmatch(r"(\d+)x(\d+)(-zipf)?(?:-(strangers|crowds)([1-9]\d?))?(-prior)?", name.strip())
        if not found:
            raise SystemExit(f"--variants: {name!r} is not CLASSESxPHOTOS[-zipf][-strangers70 or -crowds70][-prior]")
        classes, photos, zipf, kind, share, prior = found.groups()
        return cls(int(classes), int(photos), bool(zipf), int(share or 0), kind == "crowds", bool(prior))

    def __str__(self) -> str:
        others = f"-{'crowds' if self.crowds else 'strangers'}{self.strangers}" if self.strangers else ""
        return f"{self.classes}x{self.photos}{'-zipf' * self.zipf}{others}{'-prior' * self.prior}"


def draw(embedded: Embedded, variant: Variant, half: str, seed: int, batch: int) -> Setting:
    """A project of its kind: some classes of the half, some photos of each."""
    rng = np.random.default_rng(seed)
    eligible = {"even": slice(0, None, 2), "odd": slice(1, None, 2), "all": slice(None)}[half]
    candidates = np.arange(len(embedded.classes))[eligible]
    chosen = rng.permutation(candidates)[: variant.classes]  # by rank: the first is the largest one of Zipf's
    pool_rows, test_rows = [], []
    for rank, label in enumerate(chosen, start=1):
        rows = rng.permutation(np.flatnonzero(embedded.photos.labels == label))
        wanted = max(round(variant.photos / rank), FEWEST_OF_ZIPF) if variant.zipf else variant.photos
        pool_rows.append(rows[:wanted])
        test_rows.append(rows[variant.photos :][:MOST_TESTED])
    place = np.full(len(embedded.classes), DISTRACTOR)
    place[np.sort(chosen)] = np.arange(chosen.size)
    pool, test = (_renamed(embedded.photos, np.concatenate(rows), place) for rows in (pool_rows, test_rows))
    if variant.strangers:
        others = rng.permutation(np.flatnonzero(~np.isin(embedded.photos.labels, candidates)))
        strangers = _renamed(embedded.photos, others, place)
        if embedded.strangers is not None and not variant.crowds:
            strangers = embedded.strangers.and_also(strangers)
        wanted = round(len(pool) * variant.strangers / (100 - variant.strangers))
        pool = pool.and_also(strangers.take(np.arange(min(len(strangers), wanted))))
    names = [embedded.classes[label] for label in np.sort(chosen)]
    space = label_space(names, embedded.wordnet, distractors=variant.strangers > 0)
    pool, test = (with_zero_shot(photos, embedded.backbone, space, ()) for photos in (pool, test))
    hierarchy = Hierarchy(space.tree.membership, space.tree.nodes)
    if not variant.prior:
        nothing: dict[str, None] = dict.fromkeys(("prior", "crowd_prior", "unknown", "relevance"))
        pool, test = (replace(photos, **nothing) for photos in (pool, test))
        hierarchy = Hierarchy()
    budget = min(MARKS[-1], int(LABELLED * len(pool)))
    marks = tuple(mark for mark in MARKS if mark <= budget)
    return Setting(pool, test, readable(names), hierarchy, budget=marks[-1], batch=batch, marks=marks)


def _renamed(photos: Photos, rows: IntArray, place: IntArray) -> Photos:
    part = photos.take(rows)
    return replace(part, labels=place[part.labels])


def curve_of(run: Run, pool_size: int) -> Curve:
    """The figures at each mark; a learner that says nothing of the pool has the first one only."""
    curve: dict[int, Sequence[float]] = {}
    for point in run.points:
        curve[point.labels] = (point.accuracy,)
        if point.unlabelled_accuracy is not None:
            right = 1.0 - (1.0 - point.unlabelled_accuracy) * (1.0 - point.labels / pool_size)
            curve[point.labels] = point.accuracy, right, run.distractors_asked[point.labels] / max(point.labels, 1)
    return curve


def played(file: Path) -> tuple[Curves, dict[tuple[str, str], list[float]]]:
    """The games in the file; and (variant, strategy) -> seconds of each re-ranking."""
    curves: Curves = {}
    seconds: dict[tuple[str, str], list[float]] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        game = json.loads(line)
        curve = {int(mark): figures for mark, figures in game["curve"].items()}
        curves[game["variant"], game["strategy"], game["seed"]] = curve
        seconds.setdefault((game["variant"], game["strategy"]), []).append(game["seconds"])
    return curves, seconds


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Mean of first - second, in points of a share, and its standard error (nan of a single pair)."""
    difference = 100.0 * (np.asarray(first) - np.asarray(second))
    error = float(difference.std(ddof=1) / np.sqrt(difference.size)) if difference.size > 1 else float("nan")
    return float(difference.mean()), error


def values(curves: Curves, variant: str, strategy: str, mark: int, figure: int, seeds: Iterable[int]) -> list[float]:
    """One figure of each seed at a mark."""
    return [curves[variant, strategy, seed][mark][figure] for seed in seeds]


def table(curves: Curves, seconds: Mapping[tuple[str, str], Sequence[float]], variant: str, figure: int) -> Table:
    """The default's curve, how far each strategy is ahead of it, and how far its own curve falls between marks."""
    names = list(dict.fromkeys(name for kind, name, _ in curves if kind == variant and name != OURS))
    own = {seed for kind, name, seed in curves if (kind, name) == (variant, OURS)}
    marks = [mark for mark in MARKS if all(mark in curves[variant, OURS, seed] for seed in own)]
    shown = Table("strategy", *map(str, marks), "s a re-rank", title=f"{variant}: {FIGURES[figure]}, {len(own)} draws")
    means = [float(np.mean(values(curves, variant, OURS, mark, figure, own))) for mark in marks]
    shown.add_row(OURS, *(f"{mean:.3f}" for mean in means), f"{np.mean(seconds[variant, OURS]):.2f}")
    rises = [
        _cell(*paired(*(values(curves, variant, OURS, mark, figure, own) for mark in (after, before))), bad=-1)
        for before, after in pairwise(marks)
    ]
    shown.add_row("rises by", "", *rises)
    for name in names:
        both = sorted(own & {seed for kind, other, seed in curves if (kind, other) == (variant, name)})
        if not both or len(curves[variant, name, both[0]][marks[0]]) <= figure:
            continue
        cells = [
            _cell(*paired(*(values(curves, variant, who, mark, figure, both) for who in (name, OURS))))
            for mark in marks
        ]
        shown.add_row(name, *cells, f"{np.mean(seconds[variant, name]):.2f}")
    return shown


def _cell(mean: float, error: float, *, bad: int = 1) -> str:
    """Mean and error; one star where it is of matter in the `bad` direction (1 or -1), two where noise is no excuse."""
    much = bad * mean > TOLERANCE
    mark = "**" if much and bad * mean > 2 * error else "*" if much else ""
    return f"{mean:+.1f}±{error:.1f}{mark}"


def main(arguments: list[str] | None = None) -> int:
    """Play what is not in the output file yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-dir", type=Path, required=True, help="one folder of photos for each class")
    parser.add_argument("--test-dir", type=Path, help="further photos of the same classes")
    parser.add_argument("--strangers", type=Path, help="folder of photos that belong to none of the classes")
    parser.add_argument("--variants", default="5x20,20x20,20x50,20x50-zipf,20x20-prior", help="comma-separated")
    parser.add_argument("--half", choices=("even", "odd", "all"), default="even", help="places of the class names")
    parser.add_argument("--strategies", default="all", help="comma-separated; default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=25, help="most labels between two looks at the pool")
    parser.add_argument("--output", type=Path, required=True, help="a line of JSON for each game")
    options = parser.parse_args(arguments)
    variants = [Variant.parsed(name) for name in options.variants.split(",")]
    names = [name for name in entrants(options.strategies) if name in KNOWN or name in (OURS, RANDOM_HEAD)]
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=200)
    embedded = embed(options.image_dir, options.strangers, console, further=options.test_dir)
    for variant in variants:
        for seed in range(options.seeds):
            done, _ = played(options.output)
            missing = [name for name in names if (str(variant), name, seed) not in done]
            if not missing:
                continue
            setting = draw(embedded, variant, options.half, seed, options.batch)
            model = pool_model_of(setting, seed)  # the graph is the same for all of them
            for name in missing:
                run = play(setting, name, seed, strategies=KNOWN, model=model.fork())
                game = {"variant": str(variant), "strategy": name, "seed": seed, "seconds": run.order_seconds}
                with options.output.open("a") as file:
                    file.write(json.dumps({**game, "curve": curve_of(run, len(setting.pool))}) + "\n")
        curves, seconds = played(options.output)
        for figure in range(len(FIGURES) if variant.strangers else 2):
            console.print(table(curves, seconds, str(variant), figure))
    return 0


if __name__ == "__main__":
    sys.exit(main())
