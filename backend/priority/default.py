"""The default order: label what would settle most of what the model is unsure about, broadly, and what belongs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.priority import measures
from backend.priority.coverage import SubtreeCoverage
from backend.priority.disagreement import disagreement
from backend.priority.greedy import lazy_greedy
from backend.priority.influence import Influence, Reach
from backend.priority.options import OrderOptions
from backend.priority.pool_view import BoolArray, FloatArray, IntArray, PoolView

COVERAGE_STRENGTH = 0.25
UNKNOWN_STRENGTH = 0.1
RELEVANT_FROM = 0.5


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


def uncertainty(view: PoolView) -> FloatArray:
    """Margin, raised where the trained head disagrees: float32 [n] in [0, 1], 1 = most uncertain.

    1 - (1 - margin) (1 - disagreement): certain only where the model is sure and both halves agree.
    """
    doubt: FloatArray = measures.margin(view.probabilities)
    if view.head_probabilities is not None:
        agreement = 1.0 - disagreement(view.probabilities, view.head_probabilities)
        doubt = (1.0 - (1.0 - doubt) * agreement).astype(np.float32)
    return doubt


def rank_default(view: PoolView, candidates: BoolArray, taught: IntArray, options: OrderOptions) -> Ranked:
    """Rank the candidates (bool [n]) of a view that is in digest order; `taught` are the rows learned from.

    score(j | Q) = influence(j | Q) (1 + a coverage(j | Q)) (1 + b unknown(j)) relevance(j), with every factor shrinking or
    constant while the queue Q grows, so that the lazy greedy is exact.
    """
    doubt = uncertainty(view) ** np.float32(options.weight("uncertainty"))
    influence = Influence(Reach(view), doubt, taught)
    coverage = SubtreeCoverage(view.membership, view.probabilities.shape[1])
    annotated = view.annotated_probabilities
    coverage.add(view.probabilities[view.labelled] if annotated is None else annotated)
    constant = np.ones(view.n, dtype=np.float32)
    if view.unknown is not None:
        constant += np.float32(UNKNOWN_STRENGTH * options.weight("unknown")) * np.nan_to_num(view.unknown)
    relevance = np.ones(view.n, np.float32) if view.relevance is None else np.nan_to_num(view.relevance, nan=1.0)
    constant *= relevance ** np.float32(options.weight("relevance"))
    strength = COVERAGE_STRENGTH * options.weight("coverage")

    novelty_before = 1.0 - influence.covered
    coverage_before = coverage.gains(view.probabilities)
    gains_before, crowd = influence.gains()
    typicality = crowd - crowd.min(initial=np.inf) if crowd.size else crowd
    typicality /= max(float(typicality.max(initial=0.0)), 1e-12)
    known = {
        "uncertainty": doubt,
        "novelty": novelty_before,
        "coverage": coverage_before,
        "typicality": typicality,
        "unknown": np.zeros(view.n, np.float32) if view.unknown is None else view.unknown,
        "relevance": relevance,
    }

    wanted = candidates & (relevance >= RELEVANT_FROM) if options.weight("relevance") > 0 else candidates
    bounds = gains_before * (1.0 + strength * coverage_before) * constant
    largest = max(float(bounds[wanted].max(initial=0.0)), 1e-12)
    bounds[~wanted] = -np.inf

    def gain(row: int) -> float:
        broad = float(coverage.gains(view.probabilities[row : row + 1])[0]) if strength else 0.0
        return influence.gain(row) * (1.0 + strength * broad) * float(constant[row])

    def take(row: int) -> None:
        influence.take(row)
        coverage.add(view.probabilities[row : row + 1])

    chosen, gains = lazy_greedy(bounds, gain, take, options.window)
    rest = np.flatnonzero(candidates)
    rest = rest[~np.isin(rest, chosen)]
    later = (influence.gains()[0] * (1.0 + strength * coverage.gains(view.probabilities)) * constant)[rest]
    sinking = ~wanted[rest]
    rest_order = np.lexsort((rest, -later, sinking))
    rows = np.concatenate([chosen, rest[rest_order]])
    scores = np.concatenate([gains, later[rest_order]]) / largest
    scores = np.minimum.accumulate(np.clip(scores, 0.0, 1.0)).astype(np.float32)
    return Ranked(rows, scores, known)
