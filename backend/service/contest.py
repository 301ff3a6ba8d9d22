"""The contest between what serves and what was just trained: on the evaluation photos, or cross-validated while they are few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.learning.evaluation import evaluate, photo_scores
from backend.learning.folds import stratified_folds
from backend.learning.head import Head
from backend.learning.promotion import MINIMUM_PHOTOS, Candidate, Decision, decide
from backend.service.recipes import PROPAGATED, Learned, Progress, Recipe, Wanted
from backend.service.training_data import TrainingData

Floats = NDArray[np.float32]

FOLDS = 5
SIGNIFICANCE = 0.05
"""Cross-validation judges by photos that the order chose, which are no fair sample: a gain there must be more than chance."""

EVALUATION_SAMPLE = "evaluation sample"
CROSS_VALIDATION = "cross-validation"


@dataclass(frozen=True)
class Measured:
    """What a way to learn predicts for photos that it has not learned from, one array [e, L] for each control."""

    predictions: Sequence[Floats]
    targets: Sequence[Floats]
    multiple: Sequence[bool]

    def scores(self) -> NDArray[np.float64]:
        """Score of every photo of every control, one after the other; [0, 1], 1 = right."""
        return np.concatenate(
            [
                photo_scores(predicted, targets, multiple=multiple) if len(predicted) else np.zeros(0)
                for predicted, targets, multiple in zip(self.predictions, self.targets, self.multiple, strict=True)
            ]
        )

    def figures(self) -> dict[str, object]:
        """The evaluation of the first control, as it is kept with a version; empty without photos."""
        if not len(self.targets[0]):
            return {}
        return evaluate(self.predictions[0], self.targets[0], multiple=self.multiple[0]).to_json()


@dataclass(frozen=True)
class Contest:
    """All that takes part, measured on the same photos.

    Attributes:
        measured: by name of recipe, `PROPAGATED` among them; with an evaluation sample also "" for what serves.
        judged_by: `EVALUATION_SAMPLE` or `CROSS_VALIDATION`.
    """

    measured: Mapping[str, Measured]
    judged_by: str

    def decide(self, reference: tuple[str, str], challengers: Mapping[str, str]) -> Decision:
        """Which version serves.

        Args:
            reference: name in `measured`, and version, of what stays unless something is better.
            challengers: versions by name in `measured`.
        """
        crossed = self.judged_by == CROSS_VALIDATION
        return decide(
            Candidate(reference[1], self.measured[reference[0]].scores()),
            [Candidate(version, self.measured[name].scores()) for name, version in challengers.items()],
            significance=SIGNIFICANCE if crossed else 1.0,
            photos_are="annotated photos (cross-validation)" if crossed else "evaluation photos",
        )


def on_evaluation_sample(data: Sequence[TrainingData], learned: Mapping[str, Sequence[Learned]]) -> Contest | None:
    """The contest on the photos that nothing learns from; None while they are fewer than a decision needs."""
    if sum(len(part.held) for part in data) < MINIMUM_PHOTOS:
        return None
    targets, multiple = [part.held_targets for part in data], [part.multiple for part in data]
    predictions = {
        "": [part.held_served for part in data],
        PROPAGATED: [part.propagated[part.held] for part in data],
        **{name: [item.held for item in items] for name, items in learned.items()},
    }
    measured = {name: Measured(values, targets, multiple) for name, values in predictions.items()}
    return Contest(measured, EVALUATION_SAMPLE)


def by_cross_validation(
    data: Sequence[TrainingData],
    recipes: Sequence[Recipe],
    learned: Mapping[str, Sequence[Learned]],
    wanted: Wanted,
    seed: int,
    progress: Progress,
) -> Contest:
    """Every recipe learns from four fifths of the annotations and predicts the last, five times.

    A head trains for as many epochs as it did on all annotations. A label with a single photo is never held out.
    """
    names = [PROPAGATED, *(recipe.name for recipe in recipes)]
    predictions: dict[str, list[Floats]] = {name: [] for name in names}
    targets: list[Floats] = []
    for control, part in enumerate(data):
        folds = stratified_folds(part.targets, FOLDS, np.random.default_rng(seed))
        judged = folds >= 0
        targets.append(part.targets[judged])
        found = {name: np.zeros_like(part.targets) for name in names}
        for fold in range(FOLDS):
            out = folds == fold
            if not out.any():
                continue
            progress((control + fold / FOLDS) / len(data), f"cross-validation, part {fold + 1} of {FOLDS}")
            rest = part.without(out)
            found[PROPAGATED][out] = rest.propagated[rest.held]
            for recipe in recipes:
                epochs = _epochs(learned[recipe.name][control].head)
                found[recipe.name][out] = recipe.learn(rest, wanted, None, epochs, _silent).held
        for name in names:
            predictions[name].append(found[name][judged])
    multiple = [part.multiple for part in data]
    return Contest({name: Measured(predictions[name], targets, multiple) for name in names}, CROSS_VALIDATION)


def _epochs(head: Head | None) -> int | None:
    return None if head is None else int(head.report["epochs"])


def _silent(fraction: float, message: str) -> None:
    return None
