"""A set of photos cut down to what a format can hold, and what was cut, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from backend.converting.format import Capability, Format
from backend.converting.records import Dataset, Observation, Photo

Change = Callable[["_Cut", Photo], Photo | None]
SHOWN = 5


@dataclass
class _Cut:
    name: str
    counts: Counter[str] = field(default_factory=Counter)
    photos: dict[str, list[str]] = field(default_factory=dict)


def reduced_to(dataset: Dataset, target: Format) -> tuple[Dataset, list[str]]:
    """The photos with all that `target` can hold, and one sentence for each kind of thing that it cannot.

    Nothing is made up: a photo with two labels in a format for one is unlabelled there, not labelled with either.
    What fits goes through unchanged, so that fitting twice is fitting once.
    """
    cut = _Cut(target.name)
    photos: list[Photo] = []
    for photo in dataset.photos:
        kept: Photo | None = photo
        for missing, change in _CHANGES:
            if kept is not None and missing not in target.holds:
                kept = change(cut, kept)
        why = None if kept is None else target.problem(kept)
        if why is not None:
            cut.photos.setdefault(why, []).append(photo.path)
        elif kept is not None:
            photos.append(kept)
    made = Dataset(tuple(photos), dataset.classes, dataset.notes)
    made = replace(made, classes=tuple(sorted({*made.classes, *made.used_classes})))
    if Capability.EMPTY_CLASSES not in target.holds:
        unused = [name for name in made.classes if name not in made.used_classes]
        if unused:
            cut.counts[f"classes without a photo, which it does not hold ({', '.join(unused[:SHOWN])})"] = len(unused)
        made = replace(made, classes=made.used_classes)
    sentences = [f"{target.name}: {count} {what}" for what, count in cut.counts.items() if count]
    for why, paths in cut.photos.items():
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        sentences.append(f"{target.name}: left out, {why}: {', '.join(paths[:SHOWN])}{more}")
    return made, sentences


def _boxes(cut: _Cut, photo: Photo) -> Photo:
    boxes = sum(item.box is not None for item in photo.observations)
    if not boxes:
        return photo
    cut.counts["boxes, of which only the labels are kept, as labels of the whole photo"] += boxes
    labels: dict[str, Observation] = {}
    for item in photo.observations:
        if item.label and (item.box is None or item.label not in labels):
            labels[item.label] = replace(item, box=None)
    return replace(photo, observations=tuple(labels.values()))


def _unnamed(cut: _Cut, photo: Photo) -> Photo:
    kept = tuple(item for item in photo.observations if item.label)
    if len(kept) < len(photo.observations):
        cut.counts["boxes without a label, left out"] += len(photo.observations) - len(kept)
        return replace(photo, observations=kept)
    return photo


def _several(cut: _Cut, photo: Photo) -> Photo:
    if len(photo.labels) < 2:
        return photo
    cut.counts["photos with several labels, where it holds one: they have none there"] += 1
    return replace(photo, observations=tuple(item for item in photo.observations if item.box is not None))


def _scores(cut: _Cut, photo: Photo) -> Photo:
    scores = sum(item.score is not None for item in photo.observations)
    if not scores:
        return photo
    cut.counts["scores, left out"] += scores
    return replace(photo, observations=tuple(replace(item, score=None) for item in photo.observations))


def _times(cut: _Cut, photo: Photo) -> Photo:
    cut.counts["times, left out"] += bool(photo.taken)
    return replace(photo, taken="")


def _sizes(cut: _Cut, photo: Photo) -> Photo:
    return replace(photo, size=None)  # the file itself tells: nothing to report


def _quality(cut: _Cut, photo: Photo) -> Photo:
    cut.counts["notes on the quality of the picture, left out"] += bool(photo.quality)
    return replace(photo, quality="")


def _left_out(cut: _Cut, photo: Photo) -> Photo | None:
    cut.counts["photos marked as not to be used, left out"] += photo.left_out
    return None if photo.left_out else photo


def _unlabelled(cut: _Cut, photo: Photo) -> Photo | None:
    cut.counts["photos without a label, left out"] += not photo.observations
    return photo if photo.observations else None


def _addresses(cut: _Cut, photo: Photo) -> Photo | None:
    cut.counts["photos at addresses, where it holds files: left out"] += photo.is_address
    return None if photo.is_address else photo


_CHANGES: tuple[tuple[Capability, Change], ...] = (
    (Capability.LEFT_OUT, _left_out),
    (Capability.ADDRESSES, _addresses),
    (Capability.BOXES, _boxes),
    (Capability.UNNAMED_BOXES, _unnamed),
    (Capability.SEVERAL_LABELS, _several),
    (Capability.SCORES, _scores),
    (Capability.TIMES, _times),
    (Capability.SIZES, _sizes),
    (Capability.QUALITY, _quality),
    (Capability.UNLABELLED, _unlabelled),
)
