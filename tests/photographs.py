"""Photographs in a folder for each class, cut from those that scikit-learn and scikit-image bring with them.

Every clone has them, so what needs real photos runs everywhere. They are cut once and kept below `.cache/`.
"""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from backend.demo.sample_photos import PackagePhoto

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = REPOSITORY / ".cache" / "photographs-1"  # the number grows with every change of what is cut
EACH = 44
SIDE = 240

CLASSES = {
    "temple": PackagePhoto("sklearn", "datasets/images/china.jpg"),
    "flower": PackagePhoto("sklearn", "datasets/images/flower.jpg"),
    "astronaut": PackagePhoto("skimage", "data/astronaut.png"),
    "photographer": PackagePhoto("skimage", "data/camera.png"),
    "cat": PackagePhoto("skimage", "data/chelsea.png"),
    "coffee": PackagePhoto("skimage", "data/coffee.png"),
    "coins": PackagePhoto("skimage", "data/coins.png"),
    "galaxy": PackagePhoto("skimage", "data/hubble_deep_field.jpg"),
    "motorcycle": PackagePhoto("skimage", "data/motorcycle_left.png"),
    "rocket": PackagePhoto("skimage", "data/rocket.jpg"),
    "grass": PackagePhoto("skimage", "data/grass.png"),
    "gravel": PackagePhoto("skimage", "data/gravel.png"),
}


def photographs() -> Path:
    """The folder: `EACH` photos, 000.jpg and so on, for each of `CLASSES`; no two are alike."""
    FOLDER.parent.mkdir(exist_ok=True)
    with FOLDER.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the first of the test processes cuts them
        if not FOLDER.exists():
            unfinished = FOLDER.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            for number, (name, source) in enumerate(CLASSES.items()):
                (unfinished / name).mkdir(parents=True)
                with Image.open(source.locate()) as photograph:
                    _cut(photograph.convert("RGB"), unfinished / name, np.random.default_rng(number))
            unfinished.rename(FOLDER)
    return FOLDER


def _cut(photograph: Image.Image, folder: Path, rng: np.random.Generator) -> None:
    """Random parts, of 40 to 80 % of each side, some mirrored, some brighter or paler than others."""
    width, height = photograph.size
    for number in range(EACH):
        across, down = rng.uniform(0.4, 0.8, 2)
        left, top = rng.uniform(0.0, 1.0 - across) * width, rng.uniform(0.0, 1.0 - down) * height
        part = photograph.crop((int(left), int(top), int(left + across * width), int(top + down * height)))
        part.thumbnail((SIDE, SIDE))
        part = ImageOps.mirror(part) if rng.random() < 0.5 else part
        part = ImageEnhance.Brightness(part).enhance(rng.uniform(0.6, 1.4))
        ImageEnhance.Color(part).enhance(rng.uniform(0.3, 1.2)).save(folder / f"{number:03d}.jpg", quality=88)
