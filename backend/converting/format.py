"""What a format has to do, and what it may be able to hold."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from backend.converting.files import PhotoFiles
from backend.converting.records import Dataset, Photo
from backend.errors import BackendError
from backend.labels.controls import Control


class Capability(Enum):
    """What some formats can hold and others cannot."""

    SEVERAL_LABELS = auto()
    BOXES = auto()
    UNNAMED_BOXES = auto()
    SCORES = auto()
    UNLABELLED = auto()
    TIMES = auto()
    SIZES = auto()
    LEFT_OUT = auto()
    QUALITY = auto()
    ADDRESSES = auto()
    EMPTY_CLASSES = auto()


EVERYTHING = frozenset(Capability)


@dataclass(frozen=True)
class Names:
    """What a source or target calls things, where people may choose.

    Attributes:
        control: the control of the label config that Label Studio's JSON is for; None: Choices `label` on `image`.
        photos_at: what Label Studio finds the folder of the photos under.
        utc_offset: of the camera's clock, for formats that ask for one: `Z` or `+01:00`.
        title: of the set of photos.
    """

    control: Control | None = None
    photos_at: str = "/data/local-files/?d="
    utc_offset: str = "Z"
    title: str = "photos"


class Format(ABC):
    """A form that labelled photos come in. One implementation for each, in a file of its own, and a line in the registry.

    Attributes:
        name: what people call it in `--from` and `--to`.
        holds: what it can hold beside photos with one label.
        is_folder: whether it is a folder, not a file.
    """

    name: str
    holds: frozenset[Capability]
    is_folder: bool = False
    needs_times: bool = False
    needs_sizes_of_boxes: bool = False

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether an existing file or folder looks like this format; cheap."""

    @abstractmethod
    def read(self, path: Path, files: PhotoFiles, names: Names) -> Dataset:
        """Read it. What is damaged costs only its own photo, and is noted.

        Raises:
            BackendError: it is not of this format, or cannot be read.
        """

    @abstractmethod
    def write(self, dataset: Dataset, path: Path, files: PhotoFiles, names: Names) -> list[str]:
        """Write what `reduced_to` gave, whole or not at all; sentences on what is still to be done by hand.

        Raises:
            OSError: it cannot be written.
        """

    def problem(self, photo: Photo) -> str | None:
        """Why this photo cannot be held though all its kinds of content can, in a few words; None: it can be."""
        return None


def bad_data(path: Path, what: str) -> BackendError:
    """The error for a source that is not what it should be."""
    return BackendError(f"{path}: {what}", reason="bad_data")


def read_json(path: Path) -> Any:
    """The document of a JSON file; one that is no such file is a `BackendError` that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise bad_data(path, f"cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise bad_data(path, f"is no JSON file ({error}).") from None
