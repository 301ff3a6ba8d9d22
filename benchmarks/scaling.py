"""How the cost of ordering grows with the pool: `python -m benchmarks.scaling --sizes 10000,100000,1000000`.

Synthetic tasks: float16 embeddings around a few hundred centres, 100 labels. How far they spread (--spread) decides how
hard the neighbour search is: at 1 the groups stand apart and any index finds every neighbour, which flatters recall; at
2, the default, they overlap, and the cosine to the nearest neighbour is about that of real photos.

For each size, in a process of its own: the graph's build time and the recall@15 of the search it is made by against exact
search, a full re-rank (propagate, score, choose the window), the re-rank after one more
annotation, and the largest resident memory. Times are the least of a few repeats, since other processes only ever add
to them. Beside them scikit-activeml's TypiClust for one batch of the window's size, up to the size it is asked for.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from backend.learning.knn_graph import NeighbourIndex

WIDTH = 256
RECALL_AT = 15


@dataclass(frozen=True)
class Cost:
    """What one size took; seconds, gigabytes, shares in [0, 1]. None: not measured."""

    tasks: int
    build_seconds: float
    recall: float
    first_rank_seconds: float
    rerank_seconds: float
    rerank_cpu_seconds: float
    after_one_annotation_seconds: float
    peak_gb: float
    typiclust_seconds: float | None


@dataclass(frozen=True)
class Plan:
    """What is measured at every size."""

    labels: int
    annotations: int
    window: int
    recall_queries: int
    typiclust_up_to: int
    strategy: str
    seed: int
    repeats: int = 3
    spread: float = 2.0
    width: int = WIDTH
    prior_right: float = 0.0


def synthetic(tasks: int, plan: Plan) -> tuple[NDArray[np.float16], NDArray[np.intp], list[str]]:
    """Embeddings float16 [n, 256] around four centres for each label, their labels [n], and digests.

    The variance of axis i falls as i^-1.6, as that of a backbone's principal components does.
    """
    rng = np.random.default_rng(plan.seed)
    scale = (np.arange(1, plan.width + 1) ** -0.8).astype(np.float32)
    centres = rng.normal(size=(4 * plan.labels, plan.width)).astype(np.float32)
    nearest = rng.integers(centres.shape[0], size=tasks)
    embeddings = np.empty((tasks, plan.width), dtype=np.float16)
    for start in range(0, tasks, 65_536):
        part = centres[nearest[start : start + 65_536]]
        noise = rng.standard_normal(part.shape, dtype=np.float32)
        embeddings[start : start + 65_536] = (part + np.float32(plan.spread) * noise) * scale
    # Digests are spread evenly over the hexadecimal numbers, as those of files are.
    digests = [f"{row * 0x9E3779B97F4A7C15 % 2**64:016x}" for row in range(tasks)]
    return embeddings, nearest % plan.labels, digests


def prior_of(truth: NDArray[np.intp], plan: Plan) -> NDArray[np.float32]:
    """A prior float32 [n, L] that favours the true label of the share `prior_right` of the photos, a random one of the others.

    0: a flat one, as where the label names say nothing.
    """
    prior = np.full((truth.size, plan.labels), 1.0 / plan.labels, dtype=np.float32)
    if plan.prior_right > 0.0:
        rng = np.random.default_rng(plan.seed)
        others = rng.integers(plan.labels, size=truth.size)
        favoured = np.where(rng.random(truth.size) < plan.prior_right, truth, others)
        prior *= np.float32(0.5)
        prior[np.arange(truth.size), favoured] += np.float32(0.5)
    return prior


def measure(tasks: int, plan: Plan) -> Cost:
    """All figures of one size."""
    from backend.learning.pool_model import PoolModel
    from backend.priority import LayoutCache, OrderOptions, PoolView, order_pool

    embeddings, truth, digests = synthetic(tasks, plan)
    prior = prior_of(truth, plan)
    started = time.perf_counter()
    crowds = prior if plan.prior_right > 0.0 else None  # costs as much as another one would
    model = PoolModel(embeddings, prior, seed=plan.seed, crowd_prior=crowds)
    build_seconds = time.perf_counter() - started
    del prior, crowds
    rng = np.random.default_rng(plan.seed + 1)
    count = min(plan.annotations, tasks // 2)
    options = OrderOptions(strategy=plan.strategy, window=plan.window, seed=plan.seed)
    layouts = LayoutCache()  # as a project has one

    def rank(rows: NDArray[np.intp]) -> tuple[float, float, PoolView, NDArray[np.intp]]:
        begun, begun_cpu = time.perf_counter(), time.process_time()
        rows = np.sort(rows)
        targets = np.eye(plan.labels, dtype=np.float32)[truth[rows]]
        labelled = np.zeros(tasks, dtype=bool)
        labelled[rows] = True
        view = PoolView(
            space=model.space,
            probabilities=model.propagate(rows, targets),
            labelled=labelled,
            digests=digests,
            annotated_probabilities=targets,
            neighbours=model.neighbours,
            similarities=model.similarities,
            rng_seed=plan.seed,
        )
        best = order_pool(view, options, layouts=layouts).rows
        return time.perf_counter() - begun, time.process_time() - begun_cpu, view, best

    first_seconds, *_ = rank(rng.choice(tasks, size=count, replace=False))
    # Other annotations each time: the model may start from what it knew, but it never knew these.
    times = np.array([rank(rng.choice(tasks, size=count, replace=False))[:2] for _ in range(plan.repeats)])
    seconds, cpu_seconds = times.min(axis=0).tolist()
    rows = rng.choice(tasks, size=count, replace=False)
    _, _, view, best = rank(rows)
    one_more = min(rank(np.append(rows, best[: repeat + 1]))[0] for repeat in range(plan.repeats))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    recall = recall_of(model.index, model.space, plan)
    typiclust = None
    if tasks <= plan.typiclust_up_to:
        from benchmarks.scikit_activeml import typi_clust

        begun = time.perf_counter()
        typi_clust(view, np.random.default_rng(plan.seed), plan.window)
        typiclust = time.perf_counter() - begun
    return Cost(tasks, build_seconds, recall, first_seconds, seconds, cpu_seconds, one_more, peak, typiclust)


def recall_of(index: NeighbourIndex, space: NDArray[np.float32], plan: Plan) -> float:
    """Share of the 15 exact nearest of a row, itself left out, that the index finds; over a sample of rows."""
    n = space.shape[0]
    rows = np.random.default_rng(plan.seed + 2).choice(n, size=min(plan.recall_queries, n), replace=False)
    exact = faiss.IndexFlatIP(space.shape[1])
    exact.add(np.ascontiguousarray(space))
    count = min(RECALL_AT, n - 1)
    queries = np.ascontiguousarray(space[rows])
    _, nearest = exact.search(queries, count + 1)
    found, _ = index.search(queries, count + 1)
    hits = 0
    for row, wanted, there in zip(rows.tolist(), nearest.tolist(), found.tolist(), strict=True):
        others = [other for other in wanted if other != row][:count]
        hits += len(set(others) & set(there))
    return hits / max(rows.size * count, 1)


def growth(sizes: list[int], seconds: list[float]) -> tuple[float, float]:
    """Exponent b of seconds ~ n^b between the ends, and the ratio to linear growth (1 = linear)."""
    more = sizes[-1] / sizes[0]
    slower = seconds[-1] / seconds[0]
    return math.log(slower) / math.log(more), slower / more


def show(costs: list[Cost], console: Console) -> None:
    """The table, and how the re-rank grows."""
    table = Table(
        "tasks",
        "graph s",
        f"recall@{RECALL_AT}",
        "first rank s",
        "re-rank s",
        "its CPU s",
        "after one s",
        "peak GB",
        "TypiClust s",
    )
    for cost in costs:
        table.add_row(
            f"{cost.tasks:,}",
            f"{cost.build_seconds:.1f}",
            f"{cost.recall:.3f}",
            f"{cost.first_rank_seconds:.2f}",
            f"{cost.rerank_seconds:.2f}",
            f"{cost.rerank_cpu_seconds:.2f}",
            f"{cost.after_one_annotation_seconds:.2f}",
            f"{cost.peak_gb:.2f}",
            "-" if cost.typiclust_seconds is None else f"{cost.typiclust_seconds:.1f}",
        )
    console.print(table)
    if len(costs) > 1:
        sizes = [cost.tasks for cost in costs]
        measured = {
            "seconds": [cost.rerank_seconds for cost in costs],
            "CPU seconds": [cost.rerank_cpu_seconds for cost in costs],
        }
        for unit, seconds in measured.items():
            exponent, ratio = growth(sizes, seconds)
            console.print(f"re-rank, {sizes[0]:,} to {sizes[-1]:,}: {unit} ~ n^{exponent:.2f}, {ratio:.2f} x linear")


def main(arguments: list[str] | None = None) -> int:
    """Measure each size in a process of its own, so that one's memory does not count for the next."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="2000,5000,13572", help="comma-separated numbers of tasks")
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--annotations", type=int, default=300)
    parser.add_argument("--window", type=int, default=200)
    parser.add_argument("--strategy", default="default", help="`default` or a name of the registry")
    parser.add_argument("--recall-queries", type=int, default=1000)
    parser.add_argument("--typiclust-up-to", type=int, default=13_572, help="0: leave scikit-activeml out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=3, help="a re-rank's time is the least of so many")
    parser.add_argument("--spread", type=float, default=2.0, help="of each group: 1 = well apart, 2 = overlapping")
    parser.add_argument("--width", type=int, default=WIDTH, help="of an embedding; 3840: three networks side by side")
    parser.add_argument("--prior-right", type=float, default=0.0, help="photos that a prior knows, [0, 1]; 0: no prior")
    parser.add_argument("--output", type=Path, help="write the figures here as JSON")
    options = parser.parse_args(arguments)
    plan = Plan(
        options.labels,
        options.annotations,
        options.window,
        options.recall_queries,
        options.typiclust_up_to,
        options.strategy,
        options.seed,
        options.repeats,
        options.spread,
        options.width,
        options.prior_right,
    )
    costs: list[Cost] = []
    for tasks in sorted({int(size) for size in options.sizes.split(",")}):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as process:
            costs.append(process.submit(measure, tasks, plan).result())
    terminal = Console()
    show(costs, terminal if terminal.is_terminal else Console(width=132))
    if options.output:
        options.output.write_text(json.dumps([asdict(cost) for cost in costs], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
