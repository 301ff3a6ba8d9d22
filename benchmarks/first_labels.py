"""What the first labels do to the suggestions: accuracy on the photos that nobody labelled yet, one label at a time.

    python -m benchmarks.first_labels --image-dir sports50/pool --strangers imagenet200

Random subsets of the class folders with a few photos each are played in the default order, as a new team would: plain and
with strangers, as a flat list and as a Taxonomy, ImageNet's prior from the folder names, every tenth photo kept for
evaluation. Photos are embedded once and kept in STATE_DIR. Half of the subsets are drawn from the classes in even places
of the alphabet, half from those in odd places: what is chosen on one half can be confirmed on the other. With `--orders`
each pool is played in several orders of its photos too: how far do they move what is right?
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from rich.console import Console
from rich.table import Table

from backend.backbones import open_settings_backbone
from backend.features import Backbone
from backend.labels import LabelSpace, WordNet, ensure_wordnet, parse_label_config
from backend.settings import load_settings
from backend.simulation.engine import Setting, play
from backend.simulation.photos import (
    NOT_RELEVANT,
    Hierarchy,
    Photos,
    class_folders,
    label_space,
    readable,
    with_zero_shot,
)
from backend.simulation.points import CurvePoint
from benchmarks.photos import embedding

SHOWN = (0, 1, 2, 3, 5, 10, 20, 30, 40, 50, 60)
EARLY = range(1, 21)
KNOWN_AT = 50


@dataclass(frozen=True)
class Variant:
    """One way to set up a project."""

    strangers: bool
    taxonomy: bool

    def __str__(self) -> str:
        return f"{'Taxonomy' if self.taxonomy else 'flat'}, {'with' if self.strangers else 'without'} strangers"


VARIANTS = tuple(Variant(strangers, taxonomy) for taxonomy in (False, True) for strangers in (False, True))


@dataclass(frozen=True)
class Embedded:
    """Embedded photos, and what turns them into a project.

    Attributes:
        photos: of the class folders.
        classes: names of the folders.
        strangers: photos of none of them; None: there are none.
    """

    photos: Photos
    classes: tuple[str, ...]
    strangers: Photos | None
    backbone: Backbone
    wordnet: WordNet


def groups_of(names: Sequence[str], wordnet: WordNet) -> dict[str, list[str]]:
    """The branches of a Taxonomy over label names: WordNet's groups of two to eight; what has none is below `Others`."""
    tree = label_space(names, wordnet, distractors=False).tree
    below = np.asarray(tree.membership.toarray() if hasattr(tree.membership, "toarray") else tree.membership) > 0
    left, groups = set(range(len(names))), {}
    for node in np.lexsort((np.arange(below.shape[1]), np.abs(below.sum(axis=0) - 5))):
        members = [label for label in np.flatnonzero(below[:, node]) if label in left]
        if 2 <= below[:, node].sum() <= 8 and len(members) >= 2:
            groups[str(tree.nodes[node])] = [names[label] for label in members]
            left -= set(members)
    if left:
        groups["Others"] = [names[label] for label in sorted(left)]
    return groups


def taxonomy_space(names: Sequence[str], wordnet: WordNet, *, strangers: bool) -> LabelSpace:
    """The label space of a Taxonomy whose leaves are the names, and `Not relevant` last."""
    branches = "".join(
        f"<Choice value={quoteattr('branch: ' + title)}>"
        + "".join(f"<Choice value={quoteattr(name)}/>" for name in members)
        + "</Choice>"
        for title, members in groups_of(names, wordnet).items()
    )
    last = f"<Choice value={quoteattr(NOT_RELEVANT)}/>" if strangers else ""
    config = parse_label_config(
        '<View><Image name="image" value="$image"/>'
        f'<Taxonomy name="class" toName="image" leafsOnly="true" maxUsages="1">{branches}{last}</Taxonomy></View>'
    )
    return LabelSpace(config.controls[0], wordnet)


def project(
    embedded: Embedded, variant: Variant, seed: int, classes: int, each: int, strangers: int, absent: int = 0
) -> Setting:
    """A random project: some classes of every other place of the alphabet (by the seed's parity), some photos of each.

    So many further labels are `absent`: names of other classes, which no photo shows.
    """
    rng = np.random.default_rng(seed)
    half = np.arange(seed % 2, len(embedded.classes), 2)
    chosen = np.sort(rng.choice(half, min(classes, half.size), replace=False))
    pool_rows, test_rows = [], []
    for label in chosen:
        rows = rng.permutation(np.flatnonzero(embedded.photos.labels == label))
        pool_rows.append(rows[:each])
        test_rows.append(rows[each:])
    others = np.random.default_rng([seed, 1]).permutation(np.setdiff1d(np.arange(len(embedded.classes)), chosen))
    names = readable([embedded.classes[label] for label in np.sort([*chosen, *others[:absent]])])
    if variant.taxonomy:
        space = taxonomy_space(names, embedded.wordnet, strangers=variant.strangers)
    else:
        space = label_space(names, embedded.wordnet, distractors=variant.strangers)
    titles = [label.title for label in space.control.labels]
    place = np.full(len(embedded.classes), -1)
    place[chosen] = [titles.index(name) for name in readable([embedded.classes[label] for label in chosen])]

    def photos(source: Photos, rows: np.ndarray, labels: np.ndarray) -> Photos:
        part = source.take(rows)
        return Photos(part.embeddings, labels, part.digests)

    def known(part: Photos) -> Photos:
        return with_zero_shot(part, embedded.backbone, space, ())

    rows = np.concatenate(pool_rows)
    pool = photos(embedded.photos, rows, place[embedded.photos.labels[rows]])
    if variant.strangers and embedded.strangers is not None:
        drawn = rng.choice(len(embedded.strangers), min(strangers, len(embedded.strangers)), replace=False)
        pool = pool.and_also(photos(embedded.strangers, drawn, np.full(drawn.size, -1)))
    rest = np.concatenate(test_rows)
    test = photos(embedded.photos, rest, place[embedded.photos.labels[rest]])
    ordered = tuple(title for title in titles if title != NOT_RELEVANT)
    hierarchy = Hierarchy(space.tree.membership, space.tree.nodes)
    marks = tuple(range(max(SHOWN) + 1))
    return Setting(
        known(pool), known(test), ordered, hierarchy, budget=max(SHOWN), batch=1, evaluation_share=0.1, marks=marks
    )


def in_another_order(setting: Setting, number: int) -> Setting:
    """The same project with the photos of its pool in another order; in order 0 as they were drawn."""
    rows = np.arange(len(setting.pool))
    return replace(setting, pool=setting.pool.take(np.random.default_rng(number).permutation(rows) if number else rows))


def moved(orders: Sequence[Sequence[Sequence[CurvePoint]]]) -> dict[int, float]:
    """Labels -> standard deviation of what is right over the orders of a project's photos, in the mean of the projects."""
    heights = np.array([[[point.unlabelled_accuracy for point in points] for points in each] for each in orders])
    spread = heights.std(axis=1, ddof=1).mean(axis=0)
    return {point.labels: float(value) for point, value in zip(orders[0][0], spread, strict=True)}


def mean_curve(curves: Sequence[Sequence[CurvePoint]], figure: str) -> dict[int, float]:
    """Labels -> mean over the projects of one figure of a `CurvePoint`; marks where some project has none are left out."""
    means: dict[int, float] = {}
    for points in zip(*curves, strict=False):
        values = [getattr(point, figure) for point in points]
        if all(value is not None for value in values):
            means[points[0].labels] = float(np.mean(values))
    return means


def early_loss(curve: dict[int, float]) -> float:
    """How far the curve falls below its start within the first 20 labels, [0, 1]; 0 = never."""
    return max(0.0, curve[0] - min(value for labels, value in curve.items() if labels in EARLY))


def embed(image_dir: Path, strangers: Path | None, console: Console, *, further: Path | None = None) -> Embedded:
    """Embed what is not yet in STATE_DIR; `further` holds more photos of the same classes."""
    settings = load_settings()
    wordnet_dir = settings.state_dir / "wordnet"
    ensure_wordnet(wordnet_dir)
    backbone = open_settings_backbone(settings)
    classes = class_folders(image_dir)
    with embedding(backbone, settings.state_dir, settings.resolved_database_url, console) as embed_photos:
        photos = embed_photos(image_dir, classes)
        if further is not None:
            photos = photos.and_also(embed_photos(further, classes))
        others = embed_photos(strangers, None) if strangers else None
    return Embedded(photos, classes, others, backbone, WordNet.open(wordnet_dir))


def main(arguments: list[str] | None = None) -> int:
    """Play and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-dir", type=Path, required=True, help="one folder of photos for each class")
    parser.add_argument("--strangers", type=Path, help="folder of photos that belong to none of the classes")
    parser.add_argument("--subsets", type=int, default=10, help="random projects")
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--photos", type=int, default=10, help="photos of each class")
    parser.add_argument("--count", type=int, default=40, help="strangers in a project")
    parser.add_argument("--absent", type=int, default=0, help="labels of the config that no photo shows")
    parser.add_argument("--orders", type=int, default=1, help="orders of each pool's photos")
    options = parser.parse_args(arguments)
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=160)
    embedded = embed(options.image_dir, options.strangers, console)
    table = Table("project", "subsets", *(str(mark) for mark in SHOWN), "lost early", title="right on the unlabelled")
    shown = Table("project", "subsets", *(str(mark) for mark in SHOWN), title="shown, and its calibration error")
    steady = Table("project", "subsets", *(str(mark) for mark in SHOWN), title="moved by the order of the photos")
    known = Table("project", "subsets", f"strangers known at {KNOWN_AT}", "false alarms")
    for variant in VARIANTS:
        if variant.strangers and embedded.strangers is None:
            continue
        sizes = options.classes, options.photos, options.count, options.absent
        projects = [project(embedded, variant, seed, *sizes) for seed in range(options.subsets)]
        played = [
            [play(in_another_order(each, order), "default", 0).points for order in range(options.orders)]
            for each in projects
        ]
        for name, orders in (("all", played), ("even", played[0::2]), ("odd", played[1::2])):
            if not orders:
                continue
            part = [each[0] for each in orders]
            if options.orders > 1:
                steady.add_row(str(variant), name, *(f"{moved(orders)[mark]:.4f}" for mark in SHOWN))
            right = mean_curve(part, "unlabelled_accuracy")
            table.add_row(str(variant), name, *(f"{right[mark]:.3f}" for mark in SHOWN), f"{early_loss(right):.3f}")
            sure, error = mean_curve(part, "unlabelled_shown"), mean_curve(part, "calibration_error")
            shown.add_row(str(variant), name, *(f"{sure[mark]:.2f}, {error[mark]:.2f}" for mark in SHOWN))
            if variant.strangers:
                found, alarms = mean_curve(part, "distractors_known"), mean_curve(part, "false_alarms")
                known.add_row(str(variant), name, f"{found[KNOWN_AT]:.2f}", f"{alarms[KNOWN_AT]:.3f}")
    console.print(table)
    console.print(shown)
    for further in (known, steady):
        if further.row_count:
            console.print(further)
    return 0


if __name__ == "__main__":
    sys.exit(main())
