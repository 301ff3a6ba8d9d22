"""A folder of class folders, and the side (training, validation, testing) of each photo in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.errors import NotFoundError
from backend.images import find_images

Side = Literal["training", "validation", "testing"]
SIDES: tuple[Side, ...] = ("training", "validation", "testing")

FEW_PHOTOS = 20
_BUCKETS = 2**27  # of the hash: fine enough for any percentage


@dataclass(frozen=True)
class ClassFolders:
    """The photos below a folder by class.

    Attributes:
        classes: names of the class folders that hold photos, sorted.
        paths: all photos.
        labels: class of each photo, an index of `classes`.
        warnings: what a person should know, one sentence each.
        few: warnings of classes with few photos, which matter where they are learnt from.
    """

    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: tuple[int, ...]
    warnings: tuple[str, ...]
    few: tuple[str, ...] = ()


def read_class_folders(directory: Path, option: str = "--image-dir") -> ClassFolders:
    """The photos below `directory`, the class being the folder directly below it.

    Raises:
        NotFoundError: the folder is missing, or fewer than two class folders hold photos.
    """
    if not directory.is_dir():
        raise NotFoundError(f"There is no folder {directory}: give an existing one to {option}.")
    folders = sorted(item for item in directory.iterdir() if item.is_dir() and not item.name.startswith("."))
    classes: list[str] = []
    paths: list[Path] = []
    labels: list[int] = []
    warnings: list[str] = []
    few: list[str] = []
    for folder in folders:
        found = find_images(folder)
        if not found:
            warnings.append(f"{folder}: no photos in it; the class is left out.")
            continue
        if len(found) < FEW_PHOTOS:
            few.append(f"{folder}: {len(found)} photos, fewer than {FEW_PHOTOS}: the class may be learnt badly.")
        labels += [len(classes)] * len(found)
        classes.append(folder.name)
        paths += found
    loose = len(find_images(directory)) - len(paths)
    if loose > 0:
        warnings.append(f"{directory}: {loose} photos lie beside the class folders and have no class; left out.")
    if len(classes) < 2:
        there = f"only {classes[0]!r} does" if classes else "none does"
        raise NotFoundError(
            f"{directory}: at least two folders must hold photos, one for each class; {there}. "
            "Make a folder for each class and put its photos into it."
        )
    return ClassFolders(tuple(classes), tuple(paths), tuple(labels), tuple(warnings), tuple(few))


def side_of(directory: Path, path: Path, testing_percentage: float, validation_percentage: float) -> Side:
    """The side that a photo is on, by a hash of its class folder and name: it stays there whatever comes or goes.

    What follows `_nohash_` in the name does not count, so that photos of one thing (`rose_nohash_0.jpg`,
    `rose_nohash_1.jpg`) are on one side. Percentages in [0, 100].
    """
    name = re.sub(r"_nohash_.*$", "", path.relative_to(directory).as_posix())
    digest = hashlib.sha1(name.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    percentage = int(digest, 16) % _BUCKETS * (100.0 / _BUCKETS)
    if percentage < validation_percentage:
        return "validation"
    if percentage < validation_percentage + testing_percentage:
        return "testing"
    return "training"


def sides_of(
    directory: Path, paths: Sequence[Path], testing_percentage: float, validation_percentage: float
) -> list[Side]:
    """`side_of` each photo."""
    return [side_of(directory, path, testing_percentage, validation_percentage) for path in paths]
