"""Does the forecast of a learning curve hold? Simulated projects, judged by what their next labels really brought.

    python -m benchmarks.label_forecast --embeddings photos.npz --classes 20 --photos 100 --projects 10
    python -m benchmarks.label_forecast --curves curves.json      # curves that an earlier call kept with --keep

Each project draws classes and photos of them at random and is annotated in the default order with the default settings.
The headline figures known at 100 labels are projected to 300 and 600 labels; the interval holds where it contains the
true accuracy on the photos that are unlabelled then. The archive holds `embeddings` [n, d], `labels` [n] and `classes` [L].
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from backend.features import open_backbone
from backend.labels import WordNet, ensure_wordnet
from backend.learning.learning_curve import Observation, forecast_curve
from backend.simulation.photos import Photos
from benchmarks.accuracy_interval import played, project_of
from benchmarks.photos import from_npz

Curve = list[tuple[int, float, float, float, float]]  # labels, true accuracy, headline, its interval

KNOWN = (20, 30, 40, 50, 60, 70, 80, 90, 100)


def curves_of(arguments: argparse.Namespace) -> list[Curve]:
    """The curves of simulated projects, measured at `KNOWN` and at the marks."""
    photos, classes = from_npz(arguments.embeddings)
    chosen = {"all": classes, "even": classes[::2], "odd": classes[1::2]}[arguments.half]
    numbers = np.array([classes.index(name) for name in chosen])
    photos = photos.take(np.flatnonzero(np.isin(photos.labels, numbers)))
    photos = Photos(photos.embeddings, np.searchsorted(numbers, photos.labels), photos.digests)
    ensure_wordnet(arguments.state_dir / "wordnet")
    wordnet = WordNet.open(arguments.state_dir / "wordnet")
    backbone = open_backbone(arguments.backbone, models_dir=arguments.state_dir / "models")
    found: list[Curve] = []
    for seed in range(arguments.first, arguments.first + arguments.projects):
        setting = project_of(photos, chosen, arguments.classes, arguments.photos, seed, backbone, wordnet)
        marks = (*KNOWN, *arguments.marks)
        steps = played(setting, marks, 0.1, arguments.batch, heads=False)
        found.append([(labels, item.truth, item.value, item.low, item.high) for labels, item in steps])
        print(f"project {len(found)} of {arguments.projects}", flush=True)
        if arguments.keep:
            arguments.keep.write_text(json.dumps(found))
    return found


def judge(curves: list[Curve], marks: tuple[int, ...], seen: int = 100) -> None:
    """Print for each mark how often the interval held, how wide it is and how far its middle is off."""
    for mark in marks:
        held, widths, off = [], [], []
        for curve in curves:
            known = [
                Observation(n, value, low, high) for n, _, value, low, high in curve if n <= seen and value == value
            ]
            forecast = forecast_curve(known, [mark])
            true = next(truth for n, truth, *_ in curve if n == mark)
            held.append(bool(forecast.low[0] <= true <= forecast.high[0]))
            widths.append(float(forecast.high[0] - forecast.low[0]))
            off.append(float(forecast.middle[0] - true))
        print(
            f"at {mark} labels: held in {sum(held)} of {len(held)}, width {np.mean(widths):.3f}, "
            f"off by {np.mean(np.abs(off)):.3f}, mean error {np.mean(off):+.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--embeddings", type=Path, help="npz with `embeddings`, `labels`, `classes`, of the backbone")
    source.add_argument("--curves", type=Path, help="curves that were kept")
    parser.add_argument("--keep", type=Path, help="write the curves down, as JSON")
    parser.add_argument("--backbone", default="efficientnet_lite2")
    parser.add_argument("--state-dir", type=Path, default=Path(".state"), help="weights and WordNet are kept here")
    parser.add_argument("--projects", type=int, default=10)
    parser.add_argument("--classes", type=int, default=20, help="classes of each project")
    parser.add_argument("--photos", type=int, default=100, help="photos of each class")
    parser.add_argument("--half", default="all", choices=("all", "even", "odd"), help="of the classes, by name")
    parser.add_argument("--marks", type=int, nargs="+", default=[300, 600])
    parser.add_argument("--batch", type=int, default=10, help="labels between two re-rankings")
    parser.add_argument("--first", type=int, default=0, help="seed of the first project")
    arguments = parser.parse_args()
    curves = json.loads(arguments.curves.read_text()) if arguments.curves else curves_of(arguments)
    judge(curves, tuple(arguments.marks))


if __name__ == "__main__":
    main()
