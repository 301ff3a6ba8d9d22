"""What a training made, measured: each candidate's figures, and where it answers differently from what serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.learning.evaluation import decide_labels
from backend.learning.figures import Figures, measure
from backend.learning.promotion import MAX_JUDGED, Disagreement, Outcome
from backend.service.training.data import TrainingData
from backend.service.versions.comparisons import Comparison, Labels, Photo

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class CandidateScores:
    """A candidate against what serves, by the first control.

    Attributes:
        figures: what was measured of it.
        disagreement: how the two compare, judged by the evaluation photos on which they differ.
        photos: unlabelled photos on which they differ, drawn at random, in the order in which people may be asked.
        renewed: it was made as the serving version was, from more annotations.
    """

    figures: Figures
    disagreement: Disagreement
    photos: Sequence[Photo]
    renewed: bool = False

    @property
    def outcome(self) -> Outcome:
        """Whether it serves, does not, or people are asked."""
        return self.disagreement.outcome(renewed=self.renewed)

    @property
    def worth(self) -> tuple[float, float]:
        """What ranks candidates that are all better than what serves: the gain, then the headline figure."""
        return self.disagreement.gain, 0.0 if self.figures.accuracy is None else self.figures.accuracy.value

    def comparison(self, labels_key: str) -> Comparison:
        """The comparison that asking would be, by the labels of this key."""
        return Comparison(self.disagreement, self.photos, self.renewed, labels_key)


@dataclass(frozen=True)
class Selection:
    """What becomes of the candidates.

    Attributes:
        promoted: the one that serves from now on; None: what serves stays.
        asked: the one that people are asked about; None: nobody is.
        notes: a sentence for each candidate.
    """

    promoted: str | None
    asked: str | None
    notes: Mapping[str, str]


def evaluate_candidate(
    data: TrainingData,
    predictions: Floats,
    candidate: str,
    serving: str,
    *,
    renewed: bool = False,
    seed: int = 0,
) -> CandidateScores:
    """Measure what a candidate predicts of the pool, [n, L].

    Nobody is asked about members of the evaluation sample out of turn: the headline figure needs them drawn without regard to
    what versions say.
    """
    said, before = decide_labels(predictions, data.multiple), decide_labels(data.served, data.multiple)
    differs = (said != before).any(axis=1)
    right = (said[data.held] == decide_labels(data.held_targets, data.multiple)).all(axis=1)
    was_right = (before[data.held] == decide_labels(data.held_targets, data.multiple)).all(axis=1)
    judged = differs[data.held]
    open_rows = np.flatnonzero(differs & data.unlabelled)
    disagreement = Disagreement(
        candidate,
        serving,
        unlabelled=int(data.unlabelled.sum()),
        differing=len(open_rows),
        better=int((right & ~was_right).sum()),
        worse=int((was_right & ~right).sum()),
        neither=int((judged & ~right & ~was_right).sum()),
    )
    drawn = np.random.default_rng(seed).permutation(open_rows[~data.sample[open_rows]])[:MAX_JUDGED]
    photos = [Photo(int(data.task_ids[row]), _labels(before[row]), _labels(said[row])) for row in drawn]
    figures = measure(
        predictions,
        data.unlabelled,
        (data.held, data.held_targets),
        calibrators=len(data.known) + len(data.held),
        multiple=data.multiple,
    )
    return CandidateScores(figures, disagreement, photos, renewed)


def select(candidates: Mapping[str, CandidateScores], *, pinned: bool = False) -> Selection:
    """Which candidate serves, and about which people are asked: the one with the largest gain, the most that differs.

    Args:
        pinned: a person chose what serves: candidates are measured, and nothing else happens.
    """
    outcomes = {name: scores.outcome for name, scores in candidates.items()}
    notes = {name: scores.disagreement.sentence(outcomes[name]) for name, scores in candidates.items()}
    if pinned:
        for name, scores in candidates.items():
            if outcomes[name] is not Outcome.KEEP:
                notes[name] = f"{name} is not promoted: a person chose {scores.disagreement.serving}"
        return Selection(None, None, notes)
    better = [name for name, outcome in outcomes.items() if outcome is Outcome.PROMOTE]
    promoted = max(better, key=lambda name: candidates[name].worth, default=None)
    for name in better:
        if name != promoted:
            notes[name] = f"{name} is not promoted: {promoted} gains more"
    unclear = [name for name, outcome in outcomes.items() if outcome is Outcome.ASK]
    asked = max(unclear, key=lambda name: candidates[name].disagreement.differing, default=None)
    if promoted is not None:
        asked = None  # the rest would have to be compared with that one: the next training does
    for name in unclear:
        if name != asked:
            notes[name] = f"{name} is not promoted: nothing tells yet whether it is better than what serves"
    return Selection(promoted, asked, notes)


def _labels(row: NDArray[np.bool_]) -> Labels:
    return tuple(int(index) for index in np.flatnonzero(row))
