"""Photographs that installed packages carry, for a demo without photos of one's own."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

# The packages carry drawings, test patterns and microscope pictures too; these show things a camera saw.
PHOTOGRAPHS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("sklearn.datasets.images", ("china.jpg", "flower.jpg")),
    (
        "skimage.data",
        (
            "astronaut.png",
            "brick.png",
            "camera.png",
            "chelsea.png",
            "coffee.png",
            "coins.png",
            "grass.png",
            "gravel.png",
            "hubble_deep_field.jpg",
            "moon.png",
            "motorcycle_left.png",
            "motorcycle_right.png",
            "page.png",
            "rocket.jpg",
        ),
    ),
)


def export_sample_photos(folder: Path) -> list[Path]:
    """Copy the photographs of scikit-learn and scikit-image to `folder`; those that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    exported = []
    for package, names in PHOTOGRAPHS:
        for name in names:
            copy = folder / name
            if not copy.exists():
                with as_file(files(package).joinpath(name)) as original:
                    shutil.copyfile(original, copy)
            exported.append(copy)
    return sorted(exported)
