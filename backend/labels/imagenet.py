"""The 1000 ImageNet classes: index, WordNet id and name. Index order is the ascending order of the ids."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

N_CLASSES = 1000


@cache
def _classes() -> tuple[tuple[str, str], ...]:
    text = files("backend.labels").joinpath("data", "imagenet_classes.tsv").read_text(encoding="utf-8")
    lines = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return tuple((wnid, name) for wnid, name in lines)


@cache
def _indices() -> dict[str, int]:
    return {wnid: index for index, (wnid, _) in enumerate(_classes())}


def wnids() -> tuple[str, ...]:
    """The WordNet ids of all classes, by index."""
    return tuple(wnid for wnid, _ in _classes())


def wnid_of(index: int) -> str:
    """The WordNet id of the class with this index.

    Raises:
        IndexError: not in 0 … 999.
    """
    if not 0 <= index < N_CLASSES:
        raise IndexError(f"ImageNet has classes 0 to {N_CLASSES - 1}, not {index}")
    return _classes()[index][0]


def index_of(wnid: str) -> int:
    """The index of the class with this WordNet id.

    Raises:
        KeyError: ImageNet-1k has no such class.
    """
    return _indices()[wnid]


def name_of(wnid: str) -> str:
    """The readable name of a class: the first word of its WordNet synset.

    Raises:
        KeyError: ImageNet-1k has no such class.
    """
    return _classes()[_indices()[wnid]][1]
