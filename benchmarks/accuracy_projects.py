"""Is the headline figure true in projects of several kinds? Easy ones, hard ones, few photos of many classes.

    python -m benchmarks.accuracy_projects --image-dir sports50/pool --strangers imagenet200

Each project is annotated in the default order with the default settings, five answers from order to order; what the figure
says is compared with the truth on the photos that are still unlabelled (`benchmarks.accuracy_interval`). Projects of even
seeds are of the classes in even places of the alphabet, the others of those in odd places; 33 classes are of both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from backend.labels import parse_label_config
from backend.simulation.engine import Setting
from backend.simulation.photos import DISTRACTOR, Hierarchy, Photos, label_space, readable, with_zero_shot
from benchmarks.accuracy_interval import Measurement, played
from benchmarks.first_labels import Embedded, embed

SPORTS_CONFIG = Path(__file__).resolve().parents[1] / "label_config.xml"
MARKS = (40, 80, 150, 300)
SHARE, BATCH = 0.1, 5
ZIPF_PHOTOS = 600


@dataclass(frozen=True)
class Kind:
    """One kind of project.

    Attributes:
        each: photos of each class; 0: as Zipf's law has it, 4 to 100.
        strangers: photos that do not belong.
        absent: whether the labels of label_config.xml are there as well, which no photo shows.
        named: whether labels have names that WordNet knows; else there is no prior.
        wrong: share of the answers that are wrong, those to evaluation photos too.
        mixed: weight of another photo that is laid over each one.
    """

    name: str
    classes: int
    each: int
    strangers: int = 0
    absent: bool = False
    named: bool = True
    wrong: float = 0.0
    mixed: float = 0.0


KINDS = (
    Kind("33 classes, 16 photos each, 20 strangers, absent labels", 33, 16, strangers=20, absent=True),
    Kind("22 classes, 16 photos each, 14 strangers, absent labels", 22, 16, strangers=14, absent=True),
    Kind("20 classes, 20 photos each", 20, 20),
    Kind("20 classes, 20 photos each, no prior", 20, 20, named=False),
    Kind("25 classes, Zipf", 25, 0),
    Kind("25 classes, 100 photos each", 25, 100),
    Kind("20 classes, 20 photos each, 15 % of the answers wrong", 20, 20, wrong=0.15),
    Kind("20 classes, 20 photos each, two photos in one (60 : 40)", 20, 20, mixed=0.6),
)


def project(embedded: Embedded, kind: Kind, seed: int) -> Setting:
    """A random project of a kind."""
    rng = np.random.default_rng([seed, 7])
    both = kind.classes > len(embedded.classes) // 2
    half = np.arange(len(embedded.classes)) if both else np.arange(seed % 2, len(embedded.classes), 2)
    chosen = np.sort(rng.choice(half, kind.classes, replace=False))
    counts = np.full(kind.classes, kind.each) if kind.each else _zipf(kind.classes, rng)
    found = embedded.photos.labels
    rows = np.concatenate(
        [rng.permutation(np.flatnonzero(found == label))[:n] for label, n in zip(chosen, counts, strict=True)]
    )
    part = embedded.photos.take(rows)
    pixels, answers = part.embeddings.astype(np.float32), np.searchsorted(chosen, part.labels)
    if kind.mixed:
        pixels = (pixels + kind.mixed * pixels[rng.permutation(len(pixels))]) / (1.0 + kind.mixed)
    wrong = rng.random(answers.size) < kind.wrong
    answers[wrong] = rng.integers(kind.classes, size=int(wrong.sum()))
    names = readable([embedded.classes[label] for label in chosen])
    if not kind.named:
        names = tuple(f"class {number}" for number in range(kind.classes))
    if kind.absent:
        known = {name.casefold() for name in names}
        config = parse_label_config(SPORTS_CONFIG.read_text()).controls[0]
        names += tuple(item.title for item in config.labels[:-1] if item.title.casefold() not in known)
    photos = Photos(pixels.astype(np.float16), answers.astype(np.intp), part.digests)
    if kind.strangers and embedded.strangers is not None:
        drawn = embedded.strangers.take(rng.permutation(len(embedded.strangers))[: kind.strangers])
        photos = photos.and_also(drawn)
    space = label_space(names, embedded.wordnet, distractors=bool((photos.labels == DISTRACTOR).any()))
    own = tuple(f"{kind.name}:{seed}:{digest}" for digest in photos.digests)  # another evaluation sample for each
    photos = Photos(photos.embeddings, photos.labels, own)
    pool = with_zero_shot(photos, embedded.backbone, space, ())
    return Setting(pool, pool, names, Hierarchy(space.tree.membership, space.tree.nodes))


def _zipf(classes: int, rng: np.random.Generator) -> NDArray[np.intp]:
    shares = rng.permutation(1.0 / np.arange(1, classes + 1))
    return np.clip(np.ceil(ZIPF_PHOTOS * shares / shares.sum()), 4, 100).astype(np.intp)


def row(items: Sequence[Measurement]) -> list[str]:
    """Means over projects: truth, bias, root mean square error, how many intervals cover, half-width; Wilson's alone."""
    known = [item for item in items if not np.isnan(item.value)]
    off = np.array([item.value - item.truth for item in known])
    covered = sum(item.low <= item.truth <= item.high for item in known)
    alone = sum(item.sample_low <= item.truth <= item.sample_high for item in known)
    return [
        f"{np.mean([item.truth for item in known]):.3f}",
        f"{off.mean():+.3f}",
        f"{np.sqrt((off**2).mean()):.3f}",
        f"{covered} of {len(known)}",
        f"{np.mean([(item.high - item.low) / 2 for item in known]):.3f}",
        f"{alone} of {len(known)}, {np.mean([(item.sample_high - item.sample_low) / 2 for item in known]):.3f}",
    ]


def main(arguments: list[str] | None = None) -> int:
    """Play and print the tables, one of each kind as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-dir", type=Path, required=True, help="one folder of photos for each class")
    parser.add_argument("--strangers", type=Path, help="folder of photos that belong to none of the classes")
    parser.add_argument("--projects", type=int, default=12, help="of each kind, half of each half of the classes")
    parser.add_argument("--marks", default=",".join(map(str, MARKS)), help="labels at which is measured")
    options = parser.parse_args(arguments)
    marks = tuple(int(mark) for mark in options.marks.split(","))
    console = Console(width=200)
    embedded = embed(options.image_dir, options.strangers, console)
    for kind in KINDS:
        found: dict[int, list[Measurement]] = {}
        for seed in range(options.projects):
            setting = project(embedded, kind, seed)
            fitting = tuple(mark for mark in marks if mark < 0.8 * len(setting.pool))
            for mark, item in played(setting, fitting, SHARE, BATCH, heads=False):
                found.setdefault(mark, []).append(item)
        columns = (
            "labels",
            "half",
            "true",
            "bias",
            "rms",
            "covers",
            "half-width",
            "alone (Wilson): covers, half-width",
        )
        table = Table(*columns, title=kind.name)
        for mark, items in found.items():
            table.add_row(str(mark), "even", *row(items[0::2]))
            table.add_row("", "odd", *row(items[1::2]))
        console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
