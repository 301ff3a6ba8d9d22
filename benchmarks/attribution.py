"""How long it takes to explain a photo, and whether the maps tell the truth: deletion and insertion, against chance.

    python -m benchmarks.attribution --photos ~/labelled

Explains the likeliest ImageNet class of some photos by the network of the settings (`BACKBONE`). Deletion: mean
probability while the pixels that a map calls most important become black; insertion: while they appear on black.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np

from backend.attribution.explained import explain
from backend.attribution.gradients import Floats, deletion_curve
from backend.classifiers.explaining import open_imagenet
from backend.folders.embedding import decoder_of, photos_below, read_photo
from backend.settings import load_settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photos, sub-folders too")
    parser.add_argument("--count", type=int, default=10, help="photos, drawn at random")
    arguments = parser.parse_args()
    settings = load_settings()
    start = time.perf_counter()
    explained = open_imagenet(settings)
    print(f"opened in {time.perf_counter() - start:.1f} s")
    paths = random.Random(0).sample(photos_below(arguments.photos, "--photos"), arguments.count)
    rng = np.random.default_rng(0)
    figures = []
    for path in paths:
        data = read_photo(path, settings.max_image_bytes)
        rgb = decoder_of(settings).decode(
            data, (explained.size, explained.size), fit=explained.fit, crop=explained.crop
        )
        start, used = time.perf_counter(), time.process_time()
        found = explain(explained, rgb)
        took, used = time.perf_counter() - start, time.process_time() - used
        pixels = (rgb.astype(np.float32) - np.float32(explained.mean)) / np.float32(explained.std)
        empty = np.full_like(pixels, -explained.mean / explained.std)
        label = found.label

        def probability(pictures: Floats, label: int = label) -> Floats:
            parts = np.array_split(pictures, 2)
            return np.concatenate([explained.model.look(part, label).probabilities[:, label] for part in parts])

        own = np.abs(found.gradients.values).sum(axis=2)
        chance = rng.random(own.shape)
        curves = [
            deletion_curve(probability, first, last, by).mean()
            for first, last in ((pixels, empty), (empty, pixels))
            for by in (own, chance)
        ]
        figures.append([took, used, found.gradients.steps, found.gradients.error, *curves])
        print(f"{path.name}: {took:.1f} s ({used:.1f} s of a processor), {found.gradients.steps} steps", flush=True)
    columns = np.asarray(figures)
    first, rest = columns[0], columns[1:].mean(axis=0) if len(columns) > 1 else columns[0]
    print(f"first photo {first[0]:.1f} s ({first[1]:.1f}), the next {rest[0]:.1f} s ({rest[1]:.1f}) in the mean")
    mean = columns.mean(axis=0)
    print(f"steps {mean[2]:.0f}, completeness error {mean[3]:.1%}")
    print(f"deletion {mean[4]:.3f}, at random {mean[5]:.3f}; insertion {mean[6]:.3f}, at random {mean[7]:.3f}")


if __name__ == "__main__":
    main()
