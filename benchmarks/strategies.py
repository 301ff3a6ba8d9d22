"""Every query strategy on the same photos with the same learner, in one table.

    python -m benchmarks.strategies --image-dir photos/ --budget 1000 --seeds 3
    python -m benchmarks.strategies --embeddings photos.npz --strategies default,margin,random

Plays the annotator for `default` (this product's order), for each strategy of the registry and for scikit-activeml's
margin, CoreSet, TypiClust and Badge. All of them see the same embeddings, the same beliefs and the same number of
labels at a time; after each batch the same learner takes up the labels, and its accuracy on the test photos is noted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.linear_model import LogisticRegression

from backend.learning.pool_model import PoolModel
from backend.priority import OrderOptions, PoolView, order_pool
from backend.priority.strategies import STRATEGIES, Strategy
from benchmarks.photos import LabelledPhotos, from_folder, from_npz, halves
from benchmarks.scikit_activeml import ADAPTERS

OURS = "default"
CHECKPOINTS = (100, 300, 600, 1000)
TARGET = 0.88

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.intp]


class Learner(Protocol):
    """What learns from the labels: beliefs about the pool, and about the test photos."""

    def learn(self, rows: IntArray, labels: IntArray) -> tuple[FloatArray, FloatArray]:
        """Beliefs [n, L] of the pool and [m, L] of the test set, once `rows` have these labels."""
        ...


class PoolLearner:
    """The product's own: labels spread over the pool."""

    def __init__(self, model: PoolModel, pool: LabelledPhotos, test: LabelledPhotos) -> None:
        self.model, self.test, self.n_labels = model, test, len(pool.classes)

    def learn(self, rows: IntArray, labels: IntArray) -> tuple[FloatArray, FloatArray]:
        """Propagate, and extend to the test photos."""
        beliefs = self.model.propagate(rows, np.eye(self.n_labels, dtype=np.float32)[labels])
        return beliefs, self.model.extend(self.test.embeddings, uniform(len(self.test.labels), self.n_labels))


class LogisticLearner:
    """The usual one: logistic regression on the labelled embeddings alone."""

    def __init__(self, model: PoolModel, pool: LabelledPhotos, test: LabelledPhotos) -> None:
        self.pool, self.test = pool.embeddings.astype(np.float32), test.embeddings.astype(np.float32)
        self.n_labels = len(pool.classes)

    def learn(self, rows: IntArray, labels: IntArray) -> tuple[FloatArray, FloatArray]:
        """Fit anew; a class without a label gets probability 0, and with one class only nothing is known."""
        both = uniform(len(self.pool), self.n_labels), uniform(len(self.test), self.n_labels)
        if np.unique(labels).size < 2:
            return both
        fitted = LogisticRegression(C=1.0, max_iter=300).fit(self.pool[rows], labels)
        for beliefs, photos in zip(both, (self.pool, self.test), strict=True):
            beliefs[:] = 0.0
            beliefs[:, fitted.classes_] = fitted.predict_proba(photos)
        return both


LEARNERS: Mapping[str, Callable[[PoolModel, LabelledPhotos, LabelledPhotos], Learner]] = {
    "pool": PoolLearner,
    "logistic": LogisticLearner,
}


@dataclass
class Played:
    """One strategy, one seed.

    Attributes:
        accuracy: labels spent -> share of the test photos that are right.
        choosing_seconds: time in the strategy alone.
    """

    strategy: str
    seed: int
    accuracy: dict[int, float] = field(default_factory=dict)
    choosing_seconds: float = 0.0


def uniform(rows: int, labels: int) -> FloatArray:
    """Beliefs of one who knows nothing, float32 [rows, labels]."""
    return np.full((rows, labels), 1.0 / labels, dtype=np.float32)


def play(
    name: str,
    strategy: Strategy,
    learner: Learner,
    model: PoolModel,
    pool: LabelledPhotos,
    test: LabelledPhotos,
    *,
    seed: int,
    budget: int,
    batch: int,
) -> Played:
    """Ask for `batch` labels at a time until the budget is spent.

    Digests settle ties, and without any label everything is a tie: each seed has digests of its own, so that the
    strategies that draw nothing at random vary over the seeds as well.
    """
    played = Played(name, seed)
    rng = np.random.default_rng(seed)
    digests = [hashlib.sha256(f"{seed}:{digest}".encode()).hexdigest() for digest in pool.digests]
    rows: IntArray = np.empty(0, dtype=np.intp)
    beliefs = model.prior
    while rows.size < min(budget, model.n):
        labelled = np.zeros(model.n, dtype=bool)
        labelled[rows] = True
        ascending = np.sort(rows)
        view = PoolView(
            space=model.space,
            probabilities=beliefs,
            labelled=labelled,
            digests=digests,
            label_names=pool.classes,
            annotated_probabilities=np.eye(len(pool.classes), dtype=np.float32)[pool.labels[ascending]],
            neighbours=model.neighbours,
            similarities=model.similarities,
            rng_seed=seed,
        )
        begun = time.perf_counter()
        chosen, _ = strategy(view, rng, min(batch, budget - rows.size))
        played.choosing_seconds += time.perf_counter() - begun
        rows = np.concatenate([rows, chosen])
        beliefs, about_test = learner.learn(rows, pool.labels[rows])
        played.accuracy[int(rows.size)] = float((about_test.argmax(axis=1) == test.labels).mean())
    return played


def ours(view: PoolView, rng: np.random.Generator, count: int) -> tuple[IntArray, FloatArray]:
    """The product's default order, every label used for learning."""
    seed = int(rng.integers(2**31 - 1))
    order = order_pool(view, OrderOptions(window=max(1, count), evaluation_share=0.0, seed=seed))
    return order.rows[:count], order.priority[:count]


def contestants(names: str) -> dict[str, Strategy]:
    """The strategies asked for; `all` = ours, the registry and scikit-activeml's."""
    known: dict[str, Strategy] = {OURS: ours, **STRATEGIES, **ADAPTERS}
    if names == "all":
        return known
    wanted = [name.strip() for name in names.split(",")]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise SystemExit(f"--strategies: unknown {', '.join(unknown)}; known: all, {', '.join(known)}")
    return {name: known[name] for name in wanted}


def labels_needed(accuracy: Mapping[int, float], target: float) -> int | None:
    """The fewest labels at which the target was reached and, at the next measurement, still held."""
    spent = sorted(accuracy)
    for place, labels in enumerate(spent):
        later = spent[min(place + 1, len(spent) - 1)]
        if accuracy[labels] >= target and accuracy[later] >= target:
            return labels
    return None


def summary(runs: list[Played], target: float) -> list[dict[str, object]]:
    """One row for each strategy: mean and standard deviation over the seeds, best first."""
    rows: list[dict[str, object]] = []
    for name in dict.fromkeys(run.strategy for run in runs):
        of_name = [run for run in runs if run.strategy == name]
        row: dict[str, object] = {"strategy": name}
        for labels in CHECKPOINTS:
            seen = [run.accuracy[labels] for run in of_name if labels in run.accuracy]
            row[str(labels)] = [float(np.mean(seen)), float(np.std(seen))] if seen else None
        needed = [labels_needed(run.accuracy, target) for run in of_name]
        reached = [labels for labels in needed if labels is not None]
        row["labels_for_target"] = float(np.mean(reached)) if len(reached) == len(needed) else None
        row["area"] = float(np.mean([np.mean(list(run.accuracy.values())) for run in of_name]))
        row["choosing_seconds"] = float(np.mean([run.choosing_seconds for run in of_name]))
        rows.append(row)
    return sorted(rows, key=lambda row: -float(str(row["area"])))


def show(rows: list[dict[str, object]], target: float, console: Console) -> None:
    """The table."""
    table = Table("strategy", *(f"at {labels}" for labels in CHECKPOINTS), f"labels for {target:.0%}", "mean", "s")
    for row in rows:
        cells = []
        for labels in CHECKPOINTS:
            value = row[str(labels)]
            cells.append(f"{value[0]:.3f} ± {value[1]:.3f}" if isinstance(value, list) else "-")
        needed = row["labels_for_target"]
        cells.append("-" if needed is None else f"{needed:.0f}")
        table.add_row(str(row["strategy"]), *cells, f"{row['area']:.3f}", f"{row['choosing_seconds']:.1f}")
    console.print(table)


def main(arguments: list[str] | None = None) -> int:
    """Play, print the table, write the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--image-dir", type=Path, help="one folder of photos for each class")
    source.add_argument("--embeddings", type=Path, help="npz file with embeddings, labels and classes")
    parser.add_argument("--test-dir", type=Path, help="test photos, with --image-dir; else --test-share of the photos")
    parser.add_argument("--test-share", type=float, default=0.5)
    parser.add_argument("--backbone", default="efficientnet_lite2")
    parser.add_argument("--models-dir", type=Path, default=Path(".state/models"))
    parser.add_argument("--learner", choices=list(LEARNERS), default="pool")
    parser.add_argument("--strategies", default="all", help="comma-separated; default: all")
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=25, help="labels between two looks at the pool")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--target", type=float, default=TARGET)
    parser.add_argument("--output", type=Path, help="write curves and table here as JSON")
    options = parser.parse_args(arguments)
    strategies = contestants(options.strategies)
    if options.embeddings:
        pool, test = halves(from_npz(options.embeddings), options.test_share)
    else:
        photos = from_folder(options.image_dir, backbone=options.backbone, models_dir=options.models_dir)
        if options.test_dir:
            pool = photos
            test = from_folder(options.test_dir, backbone=options.backbone, models_dir=options.models_dir)
            if test.classes != pool.classes:
                raise SystemExit(f"{options.test_dir}: must hold the same class folders as {options.image_dir}")
        else:
            pool, test = halves(photos, options.test_share)
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=132)
    console.print(f"{len(pool.classes)} classes, pool {len(pool.labels):,}, test {len(test.labels):,}")
    model = PoolModel(pool.embeddings, uniform(len(pool.labels), len(pool.classes)), seed=0)
    runs: list[Played] = []
    matches = [(name, seed) for seed in range(options.seeds) for name in strategies]
    for name, seed in track(matches, console=console, description="playing"):
        learner = LEARNERS[options.learner](model, pool, test)
        runs.append(
            play(
                name,
                strategies[name],
                learner,
                model,
                pool,
                test,
                seed=seed,
                budget=options.budget,
                batch=options.batch,
            )
        )
    rows = summary(runs, options.target)
    show(rows, options.target, console)
    if options.output:
        report = {"table": rows, "runs": [asdict(run) for run in runs]}
        options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
