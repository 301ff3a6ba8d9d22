"""Is the headline figure true? Simulated projects, judged by the truth that only the benchmark knows.

    python -m benchmarks.accuracy_interval --image-dir photos/                     # a folder for each class
    python -m benchmarks.accuracy_interval --embeddings photos.npz --classes 20 --photos 100
    python -m benchmarks.accuracy_interval --embeddings photos.npz --classes 20 --photos 12 --marks 50,100

Each project draws classes and photos of them at random and is annotated in the default order with the default settings.
At each mark, for what serves: how often the 95 % interval covers the true accuracy on the photos that are still
unlabelled, how wide it is, how far its middle is off; the calibration error before and after the temperature. Beside it,
what the plain share of right evaluation photos (with Wilson's interval) would have said.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from backend.features import Backbone, open_backbone
from backend.labels import WordNet, ensure_wordnet
from backend.learning.calibration import reliability, temperature_of, tempered
from backend.learning.cross_validation import cross_validated
from backend.learning.distillation import distil
from backend.learning.evaluation import wilson_interval
from backend.learning.figures import measure
from backend.learning.pool_model import PoolModel
from backend.priority import OrderOptions, evaluation_mask, order_pool
from backend.simulation.engine import Setting, answer_vectors, pool_model_of, pool_view
from backend.simulation.photos import Hierarchy, Photos, label_space, with_zero_shot
from benchmarks.photos import from_folder, from_npz

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Measurement:
    """One project at one mark; all in [0, 1].

    Attributes:
        truth: accuracy on the photos that are still unlabelled.
        value, low, high: the headline figure; not a number while it is not known.
        sample_low, sample_high: Wilson's interval of the evaluation photos alone.
        raw_error, error: calibration error on the unlabelled photos before and after the temperature.
        head_error, agreement: calibration error of the head that a training distils, and the share of all photos on which it
            answers as what serves does; not a number where none was distilled.
    """

    truth: float
    value: float
    low: float
    high: float
    sample_low: float
    sample_high: float
    raw_error: float
    error: float
    head_error: float
    agreement: float


def project_of(
    photos: Photos,
    classes: tuple[str, ...],
    count: int,
    per_class: int,
    seed: int,
    backbone: Backbone,
    wordnet: WordNet,
) -> Setting:
    """A project of `count` random classes with at most `per_class` photos each."""
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(classes), min(count, len(classes)), replace=False))
    rows = [rng.permutation(np.flatnonzero(photos.labels == label))[:per_class] for label in chosen]
    part = photos.take(np.sort(np.concatenate(rows)))
    names = tuple(classes[label] for label in chosen)
    space = label_space(names, wordnet, distractors=False)
    part = Photos(
        part.embeddings, np.searchsorted(chosen, part.labels), tuple(f"{seed}:{name}" for name in part.digests)
    )
    part = with_zero_shot(part, backbone, space, ())
    return Setting(part, part, names, Hierarchy(space.tree.membership, space.tree.nodes))


def played(
    setting: Setting,
    marks: tuple[int, ...],
    share: float,
    batch: int,
    *,
    heads: bool,
    model: PoolModel | None = None,
) -> Iterator[tuple[int, Measurement]]:
    """Annotate a project in the default order; the measurement at each mark. `model`: of `pool_model_of`; it changes."""
    answers, n = answer_vectors(setting), len(setting.pool)
    model = model or pool_model_of(setting)
    in_sample = evaluation_mask(setting.pool.digests, share)
    labelled, asked = np.zeros(n, dtype=bool), np.zeros(0, dtype=np.intp)
    while len(asked) < marks[-1]:
        learned = asked[~in_sample[asked]]
        beliefs = model.propagate(learned, answers[learned])
        count = min(batch, *(mark - len(asked) for mark in marks if mark > len(asked)))
        view = pool_view(setting, model, beliefs, labelled, answers, 0)
        rows = order_pool(view, OrderOptions(window=count, evaluation_share=share)).rows[:count]
        asked, labelled[rows] = np.concatenate([asked, rows]), True
        if len(asked) in marks:
            known = asked[~in_sample[asked]], asked[in_sample[asked]]
            yield len(asked), measured(model, answers, *known, embeddings=setting.pool.embeddings if heads else None)


def measured(
    model: PoolModel,
    answers: Floats,
    learned: NDArray[np.intp],
    held: NDArray[np.intp],
    *,
    embeddings: NDArray[np.float16] | None,
) -> Measurement:
    """What is said of the unlabelled photos, and what is true; of a distilled head too where `embeddings` are given."""
    raw = model.propagate(learned, answers[learned])
    crossed, truth = cross_validated(model, learned, answers[learned])
    judged, truth = np.concatenate([crossed, raw[held]]), np.concatenate([truth, answers[held]])
    served = tempered(raw, temperature_of(judged, truth))
    unlabelled = np.ones(model.n, dtype=bool)
    unlabelled[learned] = unlabelled[held] = False
    right = served.argmax(axis=1) == answers.argmax(axis=1)
    found = measure(served, unlabelled, (held, answers[held]), calibrators=len(judged)).accuracy
    unknown = head_error = agreement = float("nan")
    if embeddings is not None:
        by_head = distil(embeddings, served, annotated=learned).predict(embeddings)
        agreement = float((by_head.argmax(axis=1) == served.argmax(axis=1)).mean())
        head_right = by_head.argmax(axis=1) == answers.argmax(axis=1)
        head_error = reliability(by_head[unlabelled].max(axis=1), head_right[unlabelled]).expected_error
    return Measurement(
        float(right[unlabelled].mean()),
        *((found.value, found.low, found.high) if found else (unknown, unknown, unknown)),
        *wilson_interval(int(right[held].sum()), len(held)),
        reliability(raw[unlabelled].max(axis=1), right[unlabelled]).expected_error,
        reliability(served[unlabelled].max(axis=1), right[unlabelled]).expected_error,
        head_error,
        agreement,
    )


def table(found: dict[int, list[Measurement]]) -> Table:
    """One row for each mark, means over the projects."""
    columns = ("labels", "true accuracy", "bias", "rms", "covered", "half-width", "sample alone: covered", "half-width")
    rows = Table(*columns, "calibration error", "without temperature", "head: calibration error", "agreement")
    for mark, items in found.items():
        known = [item for item in items if not np.isnan(item.value)]
        covered = sum(item.low <= item.truth <= item.high for item in known)
        alone = sum(item.sample_low <= item.truth <= item.sample_high for item in items)
        rows.add_row(
            str(mark),
            f"{np.mean([item.truth for item in items]):.3f}",
            f"{np.mean([item.value - item.truth for item in known]):+.3f}" if known else "",
            f"{np.sqrt(np.mean([(item.value - item.truth) ** 2 for item in known])):.3f}" if known else "",
            f"{covered} of {len(known)}",
            f"{np.mean([(item.high - item.low) / 2 for item in known]):.3f}" if known else "",
            f"{alone} of {len(items)}",
            f"{np.mean([(item.sample_high - item.sample_low) / 2 for item in items]):.3f}",
            f"{np.mean([item.error for item in items]):.3f}, at most {max(item.error for item in items):.3f}",
            f"{np.mean([item.raw_error for item in items]):.3f}",
            f"{np.mean([item.head_error for item in items]):.3f}, at most {max(item.head_error for item in items):.3f}",
            f"{np.mean([item.agreement for item in items]):.4f}, at least {min(item.agreement for item in items):.4f}",
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--image-dir", type=Path, help="a folder of photos for each class")
    source.add_argument("--embeddings", type=Path, help="npz with `embeddings`, `labels`, `classes`, of the backbone")
    parser.add_argument("--backbone", default="auto")
    parser.add_argument(
        "--state-dir", type=Path, default=Path(".state"), help="weights, WordNet, embeddings: kept here"
    )
    parser.add_argument("--projects", type=int, default=20)
    parser.add_argument("--classes", type=int, default=50, help="classes of each project")
    parser.add_argument("--photos", type=int, default=100, help="photos of each class")
    parser.add_argument("--marks", default="50,100,200,400", help="labels at which is measured")
    parser.add_argument("--evaluation-share", type=float, default=OrderOptions().evaluation_share)
    parser.add_argument("--batch", type=int, default=10, help="labels between two re-rankings")
    parser.add_argument("--first", type=int, default=0, help="seed of the first project")
    parser.add_argument("--heads", action="store_true", help="distil a head at each mark as well")
    arguments = parser.parse_args()
    if arguments.embeddings:
        photos, classes = from_npz(arguments.embeddings)
        backbone = open_backbone(arguments.backbone, models_dir=arguments.state_dir / "models")
    else:
        photos, classes, backbone = from_folder(
            arguments.image_dir, backbone=arguments.backbone, state_dir=arguments.state_dir
        )
    ensure_wordnet(arguments.state_dir / "wordnet")
    wordnet = WordNet.open(arguments.state_dir / "wordnet")
    marks = tuple(sorted(int(mark) for mark in arguments.marks.split(",")))
    found: dict[int, list[Measurement]] = defaultdict(list)
    model: PoolModel | None = None
    embedded: NDArray[np.float16] = np.zeros((0, 0), dtype=np.float16)
    for seed in range(arguments.first, arguments.first + arguments.projects):
        setting = project_of(photos, classes, arguments.classes, arguments.photos, seed, backbone, wordnet)
        if model is None or not np.array_equal(
            embedded, setting.pool.embeddings
        ):  # with all photos they only differ in what is kept
            model, embedded = pool_model_of(setting), setting.pool.embeddings
        share, batch = arguments.evaluation_share, arguments.batch
        for mark, item in played(setting, marks, share, batch, heads=arguments.heads, model=model.fork()):
            found[mark].append(item)
        Console(stderr=True).print(f"project {seed + 1 - arguments.first} of {arguments.projects}")
    Console(width=200).print(table(found))


if __name__ == "__main__":
    main()
