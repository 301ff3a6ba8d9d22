"""What all formats have in common: photos, and what was seen in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Observation:
    """Something that was seen in a photo.

    Attributes:
        label: its class; "" for a box that nobody has named.
        box: x, y, width, height as shares of the photo, [0, 1]; None: the photo as a whole.
        score: how sure whoever said so was, [0, 1]; None: not told.
    """

    label: str
    box: Box | None = None
    score: float | None = None


@dataclass(frozen=True)
class Photo:
    """A photo with all that is known of it.

    Attributes:
        path: below the folder of the photos, with `/` between the parts; or a web or storage address.
        observations: empty: nobody has labelled it.
        taken: `2024-05-31 06:12:09` by the camera's clock; "" where it is not known.
        size: width and height in pixels, where they are known.
        left_out: somebody marked it as not to be used.
        quality: what somebody noted of the picture; "" where it is sound.
    """

    path: str
    observations: tuple[Observation, ...] = ()
    taken: str = ""
    size: tuple[int, int] | None = None
    left_out: bool = False
    quality: str = ""

    @property
    def is_address(self) -> bool:
        """Whether the photo is not a file below the folder."""
        return "://" in self.path or self.path.startswith("/")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the photo as a whole, each once."""
        return tuple(dict.fromkeys(item.label for item in self.observations if item.box is None))


@dataclass(frozen=True)
class Dataset:
    """Photos in the order of their source.

    Attributes:
        classes: names of all classes, also of those without a photo; sorted.
        notes: what the source holds beyond this, and what in it is damaged: a sentence each.
    """

    photos: tuple[Photo, ...]
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def used_classes(self) -> tuple[str, ...]:
        """Classes that some photo has, sorted."""
        return tuple(sorted({item.label for photo in self.photos for item in photo.observations if item.label}))
