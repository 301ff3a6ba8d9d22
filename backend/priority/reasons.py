"""The sentence that says why an image stands where it stands."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backend.priority.pool_view import FloatArray


def reason(
    components: Mapping[str, float],
    probabilities: FloatArray,
    label_names: tuple[str, ...],
    *,
    evaluation: bool = False,
    untouched: str | None = None,
) -> str:
    """Why to label this image now, in words; the strongest grounds first.

    Args:
        components: its components, each in [0, 1].
        probabilities: float32 [L].
        label_names: names of the L labels; empty: labels are numbered.
        evaluation: it belongs to the evaluation sample.
        untouched: name of a branch of the label hierarchy of which nothing was annotated or queued before.
    """
    if evaluation:
        return "part of the random sample that accuracy is measured on"
    grounds: list[tuple[float, str]] = []
    if components.get("relevance", 1.0) < 0.5:
        grounds.append((2.0, f"probably not relevant ({components['relevance']:.0%})"))
    novelty = components.get("novelty", 0.0)
    if novelty >= 0.7:
        grounds.append((novelty, "unlike anything labelled"))
    if untouched:
        grounds.append((0.95, f"nothing yet under {untouched}"))
    if components.get("uncertainty", 0.0) >= 0.4:
        grounds.append((components["uncertainty"], _torn(probabilities, label_names)))
    if components.get("typicality", 0.0) >= 0.5:
        grounds.append((components["typicality"], "stands for many photos like it"))
    if components.get("unknown", 0.0) >= 0.7:
        grounds.append((components["unknown"] - 0.1, "unlike what the backbone was trained on"))
    grounds.sort(key=lambda ground: -ground[0])
    if not grounds:
        best = int(np.argmax(probabilities)) if probabilities.size else -1
        return f"looks like {_name(best, label_names)}, to be confirmed" if best >= 0 else "nothing known of it yet"
    return "; ".join(text for _, text in grounds[:3])


def _torn(probabilities: FloatArray, label_names: tuple[str, ...]) -> str:
    if probabilities.size < 2:
        return "the model is unsure"
    second, best = np.argsort(probabilities, kind="stable")[-2:]
    pair = float(probabilities[best] + probabilities[second])
    if pair < 0.2 or probabilities[best] <= 1.01 / probabilities.size:
        return "the model has no idea what it is"
    return f"model torn between {_name(int(best), label_names)} and {_name(int(second), label_names)}"


def _name(label: int, label_names: tuple[str, ...]) -> str:
    return label_names[label] if label < len(label_names) else f"label {label}"
