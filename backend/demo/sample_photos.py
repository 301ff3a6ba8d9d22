"""Sample photos for a first try, cut from the photographs that scikit-learn and scikit-image bring with them."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

JPEG_QUALITY = 90
LONG_SIDE = 500


@dataclass(frozen=True)
class PackagePhoto:
    """A photograph inside an installed package."""

    package: str
    path: str

    def locate(self) -> Path:
        """Where it is on this machine."""
        found = importlib.util.find_spec(self.package)
        if found is None or found.origin is None:
            raise FileNotFoundError(f"the package {self.package} is not installed")
        return Path(found.origin).parent / self.path


PHOTOS = (
    PackagePhoto("sklearn", "datasets/images/china.jpg"),
    PackagePhoto("sklearn", "datasets/images/flower.jpg"),
    PackagePhoto("skimage", "data/astronaut.png"),
    PackagePhoto("skimage", "data/camera.png"),
    PackagePhoto("skimage", "data/chelsea.png"),
    PackagePhoto("skimage", "data/coffee.png"),
    PackagePhoto("skimage", "data/coins.png"),
    PackagePhoto("skimage", "data/hubble_deep_field.jpg"),
    PackagePhoto("skimage", "data/motorcycle_left.png"),
    PackagePhoto("skimage", "data/rocket.jpg"),
    PackagePhoto("skimage", "data/grass.png"),
    PackagePhoto("skimage", "data/gravel.png"),
)


def write_sample_photos(directory: Path, count: int = 60, *, seed: int = 0) -> list[Path]:
    """Write `count` different JPEGs into `directory`: each photograph whole, then random crops, some of them mirrored.

    The same arguments give the same photos; files that are there already are kept.
    """
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    written = []
    for number in range(count):
        source = PHOTOS[number % len(PHOTOS)]
        box, mirrored = _random_box(rng, whole=number < len(PHOTOS))
        target = directory / f"{Path(source.path).stem}_{number // len(PHOTOS):02d}.jpg"
        written.append(target)
        if not target.exists():
            _cut(source.locate(), box, mirrored).save(target, quality=JPEG_QUALITY)
    return written


def _random_box(rng: np.random.Generator, *, whole: bool) -> tuple[tuple[float, float, float, float], bool]:
    """A crop as shares of width and height, 60 to 90 % of each side, and whether it is mirrored."""
    width, height = rng.uniform(0.6, 0.9, 2)
    left, top = rng.uniform(0.0, 1.0 - width), rng.uniform(0.0, 1.0 - height)
    mirrored = bool(rng.random() < 0.5)
    return ((0.0, 0.0, 1.0, 1.0), False) if whole else ((left, top, left + width, top + height), mirrored)


def _cut(path: Path, box: tuple[float, float, float, float], mirrored: bool) -> Image.Image:
    with Image.open(path) as photo:
        width, height = photo.size
        left, top, right, bottom = box
        part = photo.convert("RGB").crop(
            (int(left * width), int(top * height), int(right * width), int(bottom * height))
        )
    part.thumbnail((LONG_SIDE, LONG_SIDE))
    return ImageOps.mirror(part) if mirrored else part
