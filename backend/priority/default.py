"""The default order: label what would settle most of what the model is unsure about, broadly, and what belongs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.priority import measures
from backend.priority.coverage import SubtreeCoverage
from backend.priority.disagreement import disagreement
from backend.priority.greedy import lazy_greedy
from backend.priority.influence import Influence, Reach, TwoSteps
from backend.priority.options import OrderOptions
from backend.priority.pool_view import BoolArray, FloatArray, IntArray, PoolView

COVERAGE_STRENGTH = 0.25
"""How much more a photo counts when all that it could be is untouched."""

UNKNOWN_STRENGTH = 0.1
"""How much more a photo counts when it is unlike anything the backbone was trained on."""

RELEVANT_FROM = 0.9
"""Photos that less probably belong sink to the end: a question about a stranger is a question lost."""

SETTLED_RELEVANT_FROM = 0.6
"""The same once crowds are settled: what is left to learn of strangers are those that look like what belongs."""

RELEVANCE_POWER = 1.5
"""How steeply doubt about relevance counts against a photo."""

FEW_BELONG = 0.3
MANY_BELONG = 0.9
"""Share of the pool that belongs up to which relevance has no say in the order, and from which it has all of it. Among
many strangers a class that nobody was asked about yet is taken for one of theirs, and would never be asked about. What
surely does not belong leaves no doubt, and is asked about late anyway."""

NARROWS_FROM = 2.0
"""Annotations for each label, on average, from which what one says of others narrows: crowds are settled by then, and
what is left to ask about are single photos between two of them."""

FIRST_DOUBTFUL = 25
"""This question, and each whose number is twice that of the last such, goes to a photo that sank, the most informative
of the doubtful ones: is it rightly there? Early answers teach the filter most."""


@dataclass(frozen=True)
class Ranked:
    """Candidates best first.

    Attributes:
        rows: int [c], rows of the view.
        scores: float32 [c] in [0, 1], non-increasing, aligned to `rows`.
        components: name -> float32 [n] in [0, 1] of every row of the view, as it was before anything was queued.
    """

    rows: IntArray
    scores: FloatArray
    components: dict[str, FloatArray]


def rank_default(
    view: PoolView, candidates: BoolArray, labelled: IntArray, options: OrderOptions, *, steps: TwoSteps | None = None
) -> Ranked:
    """Rank the candidates (bool [n]) of a view that is in digest order; `labelled` are the rows learned from.

    The window is chosen by exact lazy greedy on `AcquisitionFunction.gain`; what follows is sorted by what it would
    still gain. `steps` are those of the view from an earlier order, as of `Reach`.
    """
    acquisition = AcquisitionFunction(view, labelled, options, steps=steps)
    relevant = candidates & (acquisition.relevance >= acquisition.relevant_from)
    wanted = relevant if options.weight("relevance") > 0 else candidates
    before = acquisition.gains()
    largest = max(float(before[wanted].max(initial=0.0)), 1e-12)
    chosen, gains = lazy_greedy(np.where(wanted, before, -np.inf), acquisition.gains, acquisition.take, options.window)
    after = acquisition.gains()
    rest = np.flatnonzero(candidates)
    rest = rest[~np.isin(rest, chosen)]
    rest = rest[np.lexsort((rest, -after[rest], ~wanted[rest]))]
    rows = np.concatenate([chosen, rest])
    scores = np.minimum.accumulate(np.clip(np.concatenate([gains, after[rest]]) / largest, 0.0, 1.0))
    if view.relevance is not None and options.weight("relevance") > 0:
        demoted = rest[~wanted[rest]]
        doubt = 1.0 - np.abs(2.0 * acquisition.relevance[demoted] - 1.0)
        informative = demoted[np.lexsort((demoted, -doubt * acquisition.influence.gains()[demoted]))]
        rows = _with_doubtful(rows, informative, options.window, int(view.labelled.sum()))
    return Ranked(rows, scores.astype(np.float32), acquisition.components)


class AcquisitionFunction:
    """What a label of each photo would teach, given what is annotated and queued.

    gain(j | Q) = influence(j | Q) (1 + a coverage(j | Q)) (1 + b unknown(j)) relevance(j)^c, every factor shrinking or
    constant while the queue Q grows, so that the lazy greedy is exact.

    Attributes:
        relevance: float32 [n] in [0, 1], 1 = belongs.
        relevant_from: photos of less relevance sink to the end.
        components: name -> float32 [n] in [0, 1], before anything is queued.
    """

    def __init__(
        self, view: PoolView, labelled: IntArray, options: OrderOptions, *, steps: TwoSteps | None = None
    ) -> None:
        self._probabilities = view.probabilities
        relevance: FloatArray = np.ones(view.n, dtype=np.float32)
        if view.relevance is not None:
            relevance = np.clip(np.nan_to_num(view.relevance, nan=1.0), 0.0, 1.0).astype(np.float32)
        self.relevance = relevance
        per_label = labelled.size / max(view.probabilities.shape[1], 1)
        self.relevant_from, power = say_of_relevance(relevance, per_label)
        weighed = relevance ** np.float32(power * options.weight("relevance"))
        doubt = uncertainty(view)
        # Being unsure about photos that don't belong is no loss.
        weighted_uncertainty = doubt ** np.float32(options.weight("uncertainty")) * weighed
        narrowing = max(per_label / NARROWS_FROM, 1.0) ** 2
        reach = Reach(view, others=options.weight("typicality"), narrowing=narrowing, steps=steps)
        self.influence = Influence(reach, weighted_uncertainty, labelled, novelty=options.weight("novelty"))
        self._coverage = SubtreeCoverage(view.membership, view.probabilities.shape[1])
        annotated = view.annotated_probabilities
        self._coverage.add(view.probabilities[view.labelled] if annotated is None else annotated)
        self._fresh = self._coverage.fresh(view.probabilities)
        self._breadth = COVERAGE_STRENGTH * options.weight("coverage")
        unknown = np.zeros(view.n, np.float32) if view.unknown is None else np.nan_to_num(view.unknown)
        self._constant = weighed * (1.0 + np.float32(UNKNOWN_STRENGTH * options.weight("unknown")) * unknown)
        self.components: dict[str, FloatArray] = {
            "uncertainty": doubt,
            "novelty": self.influence.novelty(),
            "coverage": (breadth := self._coverage.gains(view.probabilities, self._fresh)),
            "typicality": reach.typicality(),
            "unknown": unknown,
            "relevance": relevance,
        }
        self._untaken_breadth: FloatArray | None = breadth

    def gains(self, rows: IntArray | None = None) -> FloatArray:
        """The gains of `rows` [m] now: float32 [m], at least 0; None: of every photo."""
        everything = slice(None) if rows is None else rows
        gains = self.influence.gains(rows) * self._constant[everything]
        if self._breadth:
            breadth = self._untaken_breadth if rows is None else None
            if breadth is None:
                breadth = self._coverage.gains(self._probabilities[everything], self._fresh[everything])
            gains *= 1.0 + np.float32(self._breadth) * breadth
        return gains

    def take(self, row: int) -> None:
        """Count a photo as queued."""
        self.influence.take(np.array([row]))
        self._coverage.add(self._probabilities[row : row + 1])
        self._untaken_breadth = None


def say_of_relevance(relevance: FloatArray, per_label: float) -> tuple[float, float]:
    """How much relevance counts: the least of a photo that does not sink, [0, 0.9], and its power in the gain, [0, 1.5].

    Formula: s (0.6 + 0.3 f) and 1.5 s² f; s rises from 0 to 1 while the mean relevance does from 0.3 to 0.9, f = min(1,
    2 / k) falls from two annotations for each label on.

    Args:
        relevance: float32 [n], of the pool.
        per_label: annotations for each label k.
    """
    share = float(relevance.mean(dtype=np.float64)) if relevance.size else 1.0
    say = min(max((share - FEW_BELONG) / (MANY_BELONG - FEW_BELONG), 0.0), 1.0)
    fading = min(NARROWS_FROM / max(per_label, 1e-9), 1.0)
    relevant_from = say * (SETTLED_RELEVANT_FROM + (RELEVANT_FROM - SETTLED_RELEVANT_FROM) * fading)
    return relevant_from, RELEVANCE_POWER * say**2 * fading


def uncertainty(view: PoolView) -> FloatArray:
    """Margin, raised where the trained head disagrees: float32 [n] in [0, 1], 1 = most uncertain.

    1 - (1 - margin) (1 - disagreement): certain only where the model is sure and both halves agree. Where several
    labels may hold two that are level are no doubt: it is how probably any label is taken wrongly.
    """
    if view.several:
        return measures.set_doubt(view.probabilities)
    doubt: FloatArray = measures.margin(view.probabilities)
    if view.head_probabilities is not None:
        agreement = 1.0 - disagreement(view.probabilities, view.head_probabilities)
        doubt = (1.0 - (1.0 - doubt) * agreement).astype(np.float32)
    return doubt


def _with_doubtful(rows: IntArray, informative: IntArray, window: int, labelled: int) -> IntArray:
    """Move the first of `informative` to questions 25, 50, 100, 200, …, counted from the first label, in the window."""
    places: IntArray = FIRST_DOUBTFUL * 2 ** np.arange(32) - 1 - labelled
    places = places[(places >= 0) & (places < min(window, rows.size))]
    moved = informative[: places.size]
    others = rows[~np.isin(rows, moved)]
    return np.insert(others, places[: moved.size] - np.arange(moved.size), moved)
