"""The contest between what serves and what was just trained.

On the evaluation sample, which nothing learns from; while it is small also on the annotated photos, cross-validated.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.learning.evaluation import Evaluation, evaluate, photo_scores
from backend.learning.figures import Figures
from backend.learning.folds import stratified_folds
from backend.learning.head import Head
from backend.learning.promotion import ENOUGH_PHOTOS, Candidate, Decision, decide
from backend.service.training.data import TrainingData
from backend.service.training.learners import PRIOR, PROPAGATED, Learned, Progress, Recipe, Wanted

Floats = NDArray[np.float32]

FOLDS = 5
SERVED = "served"  # what the serving version predicts


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

    def evaluation(self) -> Evaluation | None:
        """The evaluation of the first control, as it is kept with a version; None without photos."""
        if not len(self.targets[0]):
            return None
        return evaluate(self.predictions[0], self.targets[0], multiple=self.multiple[0])


@dataclass(frozen=True)
class Contest:
    """All that takes part, measured on the same photos.

    Attributes:
        sample: on the evaluation sample, by name of recipe; `SERVED`, `PROPAGATED` and `PRIOR` among them.
        crossed: by cross-validation, by name of recipe; None once the evaluation sample is large enough.
    """

    sample: Mapping[str, Measured]
    crossed: Mapping[str, Measured] | None

    def decide(
        self, serving: str, recipe: str, challengers: Mapping[str, str], renewed: Collection[str] = ()
    ) -> Decision:
        """Which version serves.

        Args:
            serving: the version that serves now, measured on the sample as `SERVED`.
            recipe: how it was made, which is what cross-validation measures of it.
            challengers: versions by recipe.
            renewed: versions made by the recipe of the serving one, see `promotion.decide`.
        """
        return decide(
            self._candidate(serving, SERVED, recipe),
            [self._candidate(version, name, name) for name, version in challengers.items()],
            renewed=renewed,
        )

    def compare(self, version: str, recipe: str, other: str, other_recipe: str) -> Decision:
        """Which of two recipes is better, the first being kept unless the other is."""
        return decide(self._candidate(version, recipe, recipe), [self._candidate(other, other_recipe, other_recipe)])

    def figures(self, recipe: str) -> dict[str, object]:
        """What is kept with a version: on the sample, and cross-validated where that was done."""
        crossed = None if self.crossed is None else self.crossed[recipe].evaluation()
        return Figures(sample=self.sample[recipe].evaluation(), crossed=crossed).to_json()

    def _candidate(self, version: str, on_sample: str, recipe: str) -> Candidate:
        scores = self.sample[on_sample].scores()
        if self.crossed is None:
            return Candidate(version, scores)
        return Candidate(version, np.concatenate([scores, self.crossed[recipe].scores()]), sample=len(scores))


def hold(
    data: Sequence[TrainingData],
    recipes: Sequence[Recipe],
    learned: Mapping[str, Sequence[Learned]],
    wanted: Wanted,
    seed: int,
    progress: Progress,
    *,
    cross: bool = True,
) -> Contest:
    """Measure everything that takes part.

    Args:
        cross: whether the recipes may be cross-validated; not where the embeddings themselves learned from the annotations.
    """
    targets, multiple = [part.held_targets for part in data], [part.multiple for part in data]
    predictions: dict[str, list[Floats]] = {
        SERVED: [part.held_served for part in data],
        PRIOR: [part.prior[part.held] for part in data],
        PROPAGATED: [part.propagated[part.held] for part in data],
        **{name: [item.held for item in items] for name, items in learned.items()},
    }
    sample = {name: Measured(values, targets, multiple) for name, values in predictions.items()}
    if not cross or sum(len(part.held) for part in data) >= ENOUGH_PHOTOS:
        return Contest(sample, None)
    return Contest(sample, cross_validated(data, recipes, learned, wanted, seed, progress))


def cross_validated(
    data: Sequence[TrainingData],
    recipes: Sequence[Recipe],
    learned: Mapping[str, Sequence[Learned]],
    wanted: Wanted,
    seed: int,
    progress: Progress,
) -> dict[str, Measured]:
    """Every recipe learns from four fifths of the annotations and predicts the last, five times.

    A head trains for as many epochs as it did on all annotations. A label with a single photo is never held out.
    """
    names = [PRIOR, PROPAGATED, *(recipe.name for recipe in recipes)]
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
            found[PRIOR][out] = rest.prior[rest.held]
            found[PROPAGATED][out] = rest.propagated[rest.held]
            for recipe in recipes:
                epochs = _epochs(learned[recipe.name][control].head)
                found[recipe.name][out] = recipe.learn(rest, wanted, None, epochs, _silent).held
        for name in names:
            predictions[name].append(found[name][judged])
    multiple = [part.multiple for part in data]
    return {name: Measured(predictions[name], targets, multiple) for name in names}


def _epochs(head: Head | None) -> int | None:
    return None if head is None else int(head.report["epochs"])


def _silent(fraction: float, message: str) -> None:
    return None
