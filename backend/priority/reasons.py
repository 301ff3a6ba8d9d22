"""The sentence that says why an image stands where it stands, in words that fit what people see suggested beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.priority.pool_view import FloatArray

SURE_MARGIN = 0.6  # a suggestion so far ahead of the next label is no toss-up, whatever else is unsure
TIE = 1e-3  # relative; nothing speaks for one of two labels that are as probable as each other, and none is suggested
HOLDS = 0.5  # where several labels may hold, those from here on are suggested
UNSURE = 0.2  # and the model is unsure about those that are at least so probable, and at most so sure
FAINT = 1.5  # a best label below this multiple of an even spread over all labels says nothing


def reason(
    components: Mapping[str, float],
    shown: FloatArray,
    label_names: tuple[str, ...],
    *,
    believed: FloatArray | None = None,
    evaluation: bool = False,
    repeated: bool = False,
    anything_labelled: bool = True,
    untouched: str | None = None,
    several: bool = False,
) -> str:
    """Why to label this image now, in words; the strongest grounds first.

    Args:
        components: its components, each in [0, 1].
        shown: float32 [L], the probabilities that the suggestion comes from.
        label_names: names of the L labels; empty: labels are numbered.
        believed: float32 [L], what its neighbours say, where the suggestion comes from something else.
        evaluation: it belongs to the evaluation sample.
        repeated: it shows what another image shows that was answered or comes earlier.
        anything_labelled: whether any image was annotated yet; before, each is unlike anything labelled.
        untouched: what was not labelled yet at all, in words, such as "no tennis labelled yet".
        several: each label holds or does not, whatever the others do.
    """
    if evaluation and repeated:
        return "the same picture as another one of the random sample"
    if evaluation:
        return "part of the random sample that accuracy is measured on"
    if repeated:
        return "the same picture as another one, whose answer is its suggestion"
    shown = np.nan_to_num(shown)
    grounds: list[tuple[float, str]] = []
    if components.get("relevance", 1.0) < 0.5:
        grounds.append((2.0, f"probably not relevant ({1.0 - components['relevance']:.0%} sure)"))
    novelty = components.get("novelty", 0.0)
    if novelty >= 0.7 and anything_labelled:
        grounds.append((novelty, "unlike anything labelled"))
    if untouched and anything_labelled:
        grounds.append((0.95, untouched))
    unsure = components.get("uncertainty", 0.0) >= 0.4
    if unsure and (doubt := _several_doubt(shown, label_names) if several else _doubt(shown, believed, label_names)):
        grounds.append((components["uncertainty"], doubt))
    if components.get("typicality", 0.0) >= 0.5:
        grounds.append((components["typicality"], "stands for many photos like it"))
    if components.get("unknown", 0.0) >= 0.7:
        grounds.append((components["unknown"] - 0.1, "unlike the pictures that the network was trained on"))
    grounds.sort(key=lambda ground: -ground[0])
    if grounds:
        return "; ".join(text for _, text in grounds[:3])
    if several and shown.size and shown.max() < HOLDS:
        return "none of the labels seems to hold, to be confirmed"
    if shown.size == 0 or (not several and _says_nothing(shown)):
        return "nothing known of it yet"
    if not several and shown.size > 1 and is_tied(shown):
        return _as_likely(shown, label_names)
    return f"looks like {_name(int(np.argmax(shown)), label_names)}, to be confirmed"


def is_tied(probabilities: NDArray[np.floating[Any]]) -> bool:
    """Whether the first two of at least two labels [L] are as probable as each other."""
    second, best = np.sort(probabilities)[-2:]
    return bool(best - second <= TIE * best)


def _doubt(shown: FloatArray, believed: FloatArray | None, label_names: tuple[str, ...]) -> str | None:
    """What is unsure about the suggestion; None where people would see no doubt in it."""
    if shown.size < 2:
        return "unsure whether it holds"
    if _says_nothing(shown):
        return "nothing speaks for any label yet"
    if is_tied(shown):
        return _as_likely(shown, label_names)
    second, best = np.argsort(shown, kind="stable")[-2:]
    if believed is not None and (other := int(np.argmax(np.nan_to_num(believed)))) != best:
        return f"the model says {_name(int(best), label_names)}, photos like it {_name(other, label_names)}"
    if shown[best] - shown[second] >= SURE_MARGIN:
        return None
    return f"could be {_name(int(best), label_names)} or {_name(int(second), label_names)}"


def _several_doubt(shown: FloatArray, label_names: tuple[str, ...]) -> str | None:
    """Of which labels it is unsure whether they hold, the two that are nearest to even; None where it is of none."""
    even = np.argsort(np.abs(shown - HOLDS), kind="stable")[:2]
    names = [_name(int(label), label_names) for label in even if UNSURE <= shown[label] <= 1.0 - UNSURE]
    return f"unsure about {' and '.join(names)}" if names else None


def _as_likely(shown: FloatArray, label_names: tuple[str, ...]) -> str:
    """What people see of a tie: no label is suggested."""
    first, second = np.argsort(-shown, kind="stable")[:2]
    return f"as likely {_name(int(first), label_names)} as {_name(int(second), label_names)}"


def _says_nothing(shown: FloatArray) -> bool:
    """Whether no label stands out: all are about as probable."""
    return bool(shown.size > 1 and shown.max() <= min(FAINT / shown.size, shown.min() + 0.02))


def _name(label: int, label_names: tuple[str, ...]) -> str:
    return label_names[label] if label < len(label_names) else f"label {label}"
