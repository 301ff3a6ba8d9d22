"""Photos of several labels: which share of the unlabelled is named wholly right, by the number of answers.

    python -m benchmarks.several_labels --image-dir sports50/pool --kinds kinds.json

Each photo has the label of its class folder and those of the kinds that the class is of, as the file says:
{"Ball": ["tennis", "golf"], "Indoor": ["judo"], ...}. Random projects are played, half of them of the classes in even
places of the alphabet, half of those in odd places: what is chosen on one half can be confirmed on the other. "one of
all" is the model of one label for each photo, as releases before used it. Photos are embedded once and kept in STATE_DIR.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from rich.console import Console
from rich.table import Table

from backend.labels import LabelSpace, parse_label_config
from backend.learning.pool_model import PoolModel
from backend.learning.several_labels import SeveralLabelsModel
from backend.priority import OrderOptions, PoolView, order_pool
from backend.simulation.photos import readable, with_zero_shot
from benchmarks.first_labels import Embedded, embed

MARKS = (0, 10, 20, 50, 100, 200)
BATCH = 5
PLAYED = (
    ("one of all", "default"),
    ("several", "random"),
    ("several", "margin"),
    ("several", "default"),
)
MODELS = {"one of all": PoolModel, "several": SeveralLabelsModel}


@dataclass(frozen=True)
class Project:
    """n photos and the labels that hold, bool [n, L]; priors as of `PoolModel`."""

    embeddings: np.ndarray
    prior: np.ndarray
    truth: np.ndarray
    digests: tuple[str, ...]
    space: LabelSpace
    crowd_prior: np.ndarray | None = None


def project(embedded: Embedded, kinds: Mapping[str, Sequence[str]], seed: int, classes: int, each: int) -> Project:
    """Some classes of every other place of the alphabet (by the seed's parity), some photos of each."""
    rng = np.random.default_rng(seed)
    half = np.arange(seed % 2, len(embedded.classes), 2)
    chosen = np.sort(rng.choice(half, min(classes, half.size), replace=False))
    of_class = [rng.permutation(np.flatnonzero(embedded.photos.labels == label))[:each] for label in chosen]
    rows = np.concatenate(of_class)
    names = [embedded.classes[label] for label in chosen]
    shown = {kind: members for kind, members in kinds.items() if set(members) & set(names)}
    own = np.searchsorted(chosen, embedded.photos.labels[rows])
    truth = np.hstack([np.eye(len(names), dtype=bool)[own], *(np.isin(names, m)[own][:, None] for m in shown.values())])
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in (*readable(names), *shown))
    config = parse_label_config(
        '<View><Image name="image" value="$image"/>'
        f'<Choices name="shows" toName="image" choice="multiple">{choices}</Choices></View>'
    )
    space = LabelSpace(config.controls[0], embedded.wordnet)
    photos = with_zero_shot(embedded.photos.take(rows), embedded.backbone, space, ())
    assert photos.prior is not None
    return Project(photos.embeddings, photos.prior, truth, photos.digests, space, photos.crowd_prior)


def play(given: Project, kind: str, strategy: str, seed: int) -> list[tuple[float, float]]:
    """At each of `MARKS`: the share of unlabelled photos whose labels are all right and no other is named, and F1."""
    model = MODELS[kind](given.embeddings, given.prior, crowd_prior=given.crowd_prior)
    n = len(given.truth)
    targets = given.truth.astype(np.float32)
    labelled = np.zeros(n, dtype=bool)
    asked: list[int] = []
    found: list[tuple[float, float]] = []
    while True:
        beliefs = model.propagate(np.array(asked, dtype=np.intp), targets[asked])
        if len(asked) in MARKS:
            found.append(figures(beliefs[~labelled] >= 0.5, given.truth[~labelled]))
        if len(asked) >= MARKS[-1]:
            return found
        count = min(BATCH, min(mark for mark in MARKS if mark > len(asked)) - len(asked))
        view = PoolView(
            space=model.space,
            probabilities=beliefs if model.unmixed is None else model.unmixed,
            labelled=labelled.copy(),
            digests=given.digests,
            membership=given.space.tree.membership,
            annotated_probabilities=targets[labelled],
            neighbours=model.neighbours,
            similarities=model.similarities,
            same_photo=model.same_photo,
            several=model.several,
            rng_seed=seed,
        )
        options = OrderOptions(strategy=strategy, window=count, evaluation_share=0.0, seed=seed)
        chosen = order_pool(view, options).rows[:count]
        asked.extend(int(row) for row in chosen)
        labelled[chosen] = True


def figures(named: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Share of photos [n, L] that are wholly right, and F1 over all photos and labels."""
    both = int((named & truth).sum())
    return float((named == truth).all(axis=1).mean()), 2 * both / max(int(named.sum() + truth.sum()), 1)


def main(arguments: list[str] | None = None) -> int:
    """Play and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-dir", type=Path, required=True, help="one folder of photos for each class")
    parser.add_argument("--kinds", type=Path, required=True, help="JSON: the class folders of each further label")
    parser.add_argument("--subsets", type=int, default=10, help="random projects")
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--photos", type=int, default=20, help="photos of each class")
    options = parser.parse_args(arguments)
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=160)
    kinds = json.loads(options.kinds.read_text(encoding="utf-8"))
    embedded = embed(options.image_dir, None, console)
    projects = [project(embedded, kinds, seed, options.classes, options.photos) for seed in range(options.subsets)]
    table = Table("learned as", "order", "half", *map(str, MARKS), title="wholly right on the unlabelled, F1")
    for kind, strategy in PLAYED:
        curves = np.array([play(given, kind, strategy, seed) for seed, given in enumerate(projects)])
        for name, part in (("even", curves[0::2]), ("odd", curves[1::2])):
            if len(part):
                mean = part.mean(axis=0)
                table.add_row(kind, strategy, name, *(f"{right:.3f}, {f1:.2f}" for right, f1 in mean))
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
