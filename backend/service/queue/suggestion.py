"""What is suggested for one photo: the result that Label Studio preselects, and a line for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.labels import Control
from backend.priority.reasons import is_tied

Row = NDArray[np.floating[Any]]

LIKELY = 0.5  # where several labels may hold, those from here on are suggested
SHOWN = 3  # the suggestion and the next two candidates
WORTH_A_LOOK = (
    0.25  # and in a Taxonomy the likeliest from here on: to find it takes three or four clicks, to remove it one
)
MENTIONED = 0.01  # less probable labels are not worth a word


def pre_annotation(controls: Sequence[Control], probabilities: Sequence[Row]) -> list[dict[str, Any]]:
    """Label Studio's result for one task: the likeliest label of each control, or all likely ones where several may hold.

    A control of which nothing is known yet, because several labels lead with the same probability, gets no suggestion;
    neither does one where several labels may hold and none is likely (a Taxonomy gets its likeliest a little sooner).

    Args:
        probabilities: float [L] of each control.
    """
    results = []
    for control, row in zip(controls, probabilities, strict=True):
        chosen = _chosen(control, row)
        if chosen:
            results.append(control.result(chosen, float(row[chosen].max())))
    return results


def suggestion_text(controls: Sequence[Control], probabilities: Sequence[Row]) -> str:
    """The suggestion with its probability and the next two candidates, e.g. "tennis 47 %, else squash 12 % or golf 8 %".

    Several controls are told apart by their names. Empty where nothing is suggested.

    Args:
        probabilities: float [L] of each control.
    """
    parts = [
        (control.from_name, _text(control, row, chosen))
        for control, row in zip(controls, probabilities, strict=True)
        if (chosen := _chosen(control, row))
    ]
    if len(controls) == 1:
        return "".join(text for _, text in parts)
    return "; ".join(f"{name}: {text}" for name, text in parts)


def _chosen(control: Control, row: Row) -> list[int]:
    if control.multiple:
        likely = [int(index) for index in np.flatnonzero(row >= LIKELY)]
        if likely or control.kind != "taxonomy" or not row.size or row.max() < WORTH_A_LOOK or _is_tied(row):
            return likely
        return [int(np.argmax(row))]
    return [] if not row.size or _is_tied(row) else [int(np.argmax(row))]


def _is_tied(row: Row) -> bool:
    return row.size > 1 and is_tied(row)


def _text(control: Control, row: Row, chosen: Sequence[int]) -> str:
    first = sorted(chosen, key=lambda index: -row[index])
    others = [
        int(index) for index in np.argsort(-row, kind="stable") if index not in chosen and row[index] >= MENTIONED
    ]
    text = ", ".join(_with_probability(control, row, index) for index in first)
    rest = " or ".join(_with_probability(control, row, index) for index in others[: SHOWN - 1])
    return f"{text}, {'perhaps' if control.multiple else 'else'} {rest}" if rest else text


def _with_probability(control: Control, row: Row, index: int) -> str:
    return f"{control.labels[index].title} {100 * float(row[index]):.0f} %"
