"""What is believed before any annotation in fields that nobody tuned anything for: label names from all over WordNet.

    python -m benchmarks.other_fields --image-dir imagenet200

The folder holds photos whose file names begin with the WordNet id of what they show, such as n02391049_zebra.jpg. Each
project is a draw of inner nodes of WordNet that hold a few of these photos each, none below another: `ungulate`,
`vessel`, `clothing`. Draws 0, 2, ... choose, draws 1, 3, ... confirm.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from backend.backbones import open_settings_backbone
from backend.features import Backbone
from backend.images import find_images, sha256_digest
from backend.labels import WordNet, ensure_wordnet
from backend.learning.calibration import reliability
from backend.learning.pool_model import PoolModel
from backend.settings import load_settings
from backend.simulation.photos import FloatArray, IntArray, Photos, label_space, with_zero_shot
from benchmarks.photos import embedding

STAGES = ("ImageNet alone", "evened out over the graph", "with the mixture")


@dataclass(frozen=True)
class Figures:
    """How good beliefs are: share that is right, mean probability shown, expected calibration error, all in [0, 1]."""

    right: float
    shown: float
    error: float

    @classmethod
    def of(cls, beliefs: FloatArray, truth: IntArray) -> Figures:
        """Those of beliefs [n, L] against the true labels [n]."""
        correct, shown = beliefs.argmax(axis=1) == truth, beliefs.max(axis=1)
        return cls(float(correct.mean()), float(shown.mean()), reliability(shown, correct, bins=10).expected_error)


def draw_labels(
    shows: Sequence[str], wordnet: WordNet, *, fewest: int, most: int, seed: int
) -> list[tuple[str, list[int]]]:
    """Inner nodes of WordNet with `fewest` to `most` of the photos below them, none below another: (name, rows).

    Args:
        shows: the WordNet id of what each photo shows.
        seed: of the draw; nodes are taken in its order as long as they are free.
    """
    below: dict[str, list[int]] = {}
    for row, synset in enumerate(shows):
        for above in wordnet.ancestors(wordnet.resolve(synset)):
            below.setdefault(above, []).append(row)
    fitting = sorted(node for node, rows in below.items() if fewest <= len(rows) <= most)
    drawn: list[tuple[str, list[int]]] = []
    taken: set[int] = set()
    for place in np.random.default_rng(seed).permutation(len(fitting)):
        rows = below[fitting[place]]
        if not taken.intersection(rows):
            drawn.append((wordnet.lemmas(fitting[place])[0].replace("_", " "), rows))
            taken.update(rows)
    return drawn


def before_any_annotation(
    photos: Photos, drawn: Sequence[tuple[str, Sequence[int]]], backbone: Backbone, wordnet: WordNet
) -> dict[str, Figures]:
    """The figures of each of `STAGES` in a project with the labels of a draw."""
    truth: IntArray = np.concatenate([np.full(len(rows), label) for label, (_, rows) in enumerate(drawn)]).astype(
        np.intp
    )
    rows: IntArray = np.concatenate([np.array(rows, dtype=np.intp) for _, rows in drawn])
    space = label_space([name for name, _ in drawn], wordnet, distractors=False)
    pool = with_zero_shot(replace(photos.take(rows), labels=truth), backbone, space, ())
    if pool.prior is None:
        raise ValueError("the photos have no prior")
    model = PoolModel(pool.embeddings, pool.prior, crowd_prior=pool.crowd_prior, depicted=pool.depicted)
    nobody: IntArray = np.zeros(0, dtype=np.intp)
    mixed = model.propagate(nobody, np.zeros((0, len(drawn)), dtype=np.float32))
    beliefs = (pool.prior, model.smoothed_prior, mixed)
    return {stage: Figures.of(believed, truth) for stage, believed in zip(STAGES, beliefs, strict=True)}


def embed(image_dir: Path, console: Console) -> tuple[Photos, list[str], Backbone, WordNet]:
    """The photos of the folder, what each shows by its file name; what is in STATE_DIR is not embedded again."""
    settings = load_settings()
    wordnet_dir = settings.resolved_wordnet_dir
    ensure_wordnet(wordnet_dir)
    backbone = open_settings_backbone(settings)
    with embedding(backbone, settings.state_dir, settings.resolved_database_url, console) as embed_photos:
        photos = embed_photos(image_dir, None)
    named: Mapping[str, str] = {
        sha256_digest(path.read_bytes()): path.name.split("_")[0] for path in find_images(image_dir)
    }
    return photos, [named[digest] for digest in photos.digests], backbone, WordNet.open(wordnet_dir)


def main(arguments: list[str] | None = None) -> int:
    """Draw, measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-dir", type=Path, required=True, help="photos whose names begin with a WordNet id")
    parser.add_argument("--draws", type=int, default=20, help="made-up projects")
    parser.add_argument("--fewest", type=int, default=4, help="photos of a label, at least")
    parser.add_argument("--most", type=int, default=14, help="photos of a label, at most")
    options = parser.parse_args(arguments)
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=120)
    photos, shows, backbone, wordnet = embed(options.image_dir, console)
    found = []
    for seed in range(options.draws):
        drawn = draw_labels(shows, wordnet, fewest=options.fewest, most=options.most, seed=seed)
        found.append(before_any_annotation(photos, drawn, backbone, wordnet))
    table = Table("draws", "believed", "right", "shown", "calibration error", title="before any annotation")
    for name, part in (("even", found[0::2]), ("odd", found[1::2])):
        for stage in STAGES if part else ():
            figures = [figures[stage] for figures in part]
            means = (np.mean([getattr(each, field) for each in figures]) for field in ("right", "shown", "error"))
            table.add_row(name, stage, *(f"{mean:.3f}" for mean in means))
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
