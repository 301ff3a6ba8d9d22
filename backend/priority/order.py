"""One total order over the unlabelled pool, with what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backend.errors import SettingsError, suggestion
from backend.priority import measures
from backend.priority.candidates import only_rows, usable_space
from backend.priority.coverage import UntouchedBranches
from backend.priority.default import Ranked, rank_default
from backend.priority.duplicates import duplicates, each_once, with_duplicates_last
from backend.priority.evaluation_sample import interleave
from backend.priority.layout import LayoutCache, PoolLayout
from backend.priority.options import OrderOptions
from backend.priority.pool_view import BoolArray, FloatArray, IntArray, PoolView
from backend.priority.reasons import reason
from backend.priority.strategies import STRATEGIES, Strategy


@dataclass(frozen=True)
class Order:
    """All unlabelled rows, best first.

    Attributes:
        rows: int [u], rows of the pool, what to label first at index 0.
        priority: float32 [u] in [0, 1], non-increasing, 1 = label this sooner; aligned to `rows`.
        components: name -> float32 [u] in [0, 1], 1 = label this sooner; aligned to `rows`.
        reasons: one sentence for each of the first `window` rows.
        evaluation: bool [u], True where the image belongs to the evaluation sample; aligned to `rows`.
    """

    rows: IntArray
    priority: FloatArray
    components: Mapping[str, FloatArray]
    reasons: list[str]
    evaluation: BoolArray


def order_pool(
    view: PoolView,
    options: OrderOptions | None = None,
    *,
    strategies: Mapping[str, Strategy] = STRATEGIES,
    rows: IntArray | None = None,
    layouts: LayoutCache | None = None,
) -> Order:
    """Order the unlabelled rows of the pool by what their label would teach; by `default` or by one of `strategies`.

    Deterministic: the same view and options give the same order in every process, and permuting the pool permutes
    the order with it.

    Args:
        strategies: query strategies by name; those of the registry, or your own.
        rows: int [r], rows that exist: the order is as if the others had never been imported; None: all.
        layouts: what was kept of this pool from earlier orders; None: nothing. It changes no order.

    Raises:
        SettingsError: the strategy is not known.
    """
    options = options or OrderOptions()
    check_strategy(options, strategies)
    layout = (layouts or LayoutCache()).of(view, np.arange(view.n) if rows is None else rows)
    original, names = layout.rows, layout.names
    view = _in_digest_order(_usable(_looked_at(view, options)), layout)
    in_sample = layout.in_sample(options.evaluation_share)
    if view.learned_from is not None:
        in_sample &= ~view.learned_from
    held_out = in_sample & ~view.labelled
    candidates = ~view.labelled & ~held_out
    answered = _learned_from(view, in_sample)
    repeated = duplicates(view, candidates, answered)
    candidates &= ~repeated
    if options.strategy == "default":
        ranked = rank_default(view, candidates, answered, options, steps=layout.steps(view))
    else:
        ranked = _rank_by_strategy(view, candidates, options, strategies[options.strategy])
    # By nothing but their digests: in places that follow from what is believed, a photo whose label is in doubt gets
    # another one with each order, and the first of all its places would count.
    sample = layout.by_position(np.flatnonzero(held_out))
    once, again = each_once(sample, names, taken=np.flatnonzero(in_sample & view.labelled))
    repeated[again] = True
    ranked = with_duplicates_last(ranked, repeated)
    ordered, is_evaluation = interleave(
        ranked.rows,
        once,
        options.evaluation_share,
        answered=int(view.labelled.sum()),
        evaluated=int((view.labelled & in_sample).sum()),
    )
    priority = np.full(ordered.size, np.inf, dtype=np.float32)
    priority[~is_evaluation] = ranked.scores
    is_evaluation |= held_out[ordered]
    priority = np.minimum(np.minimum.accumulate(priority), np.float32(1.0))
    components = {name: values[ordered].astype(np.float32) for name, values in ranked.components.items()}
    components["evaluation"] = is_evaluation.astype(np.float32)
    reasons = _reasons(view, ordered[: options.window], components, is_evaluation, repeated)
    return Order(original[ordered], priority, components, reasons, is_evaluation)


def _reasons(
    view: PoolView,
    rows: IntArray,
    components: Mapping[str, FloatArray],
    is_evaluation: BoolArray,
    repeated: BoolArray,
) -> list[str]:
    shown = view.probabilities if view.shown is None else view.shown
    untouched = UntouchedBranches(view, shown)
    return [
        reason(
            {name: float(values[place]) for name, values in components.items()},
            shown[row],
            view.label_names,
            believed=None if view.shown is None else view.probabilities[row],
            evaluation=bool(is_evaluation[place]),
            repeated=bool(repeated[row]),
            anything_labelled=bool(view.labelled.any()),
            untouched=untouched.phrase(int(row)),
            several=view.several,
        )
        for place, row in enumerate(rows)
    ]


def _rank_by_strategy(view: PoolView, candidates: BoolArray, options: OrderOptions, strategy: Strategy) -> Ranked:
    """The window by a published strategy; what follows it by least confidence."""
    # Photos of the evaluation sample are left out, not marked as labelled: nobody said what they show.
    kept = np.flatnonzero(candidates | view.labelled)
    rng = np.random.default_rng([options.seed, view.rng_seed, int(view.labelled.sum())])
    count = min(options.window, int(candidates.sum()))
    places, scores = strategy(only_rows(view, kept), rng, count)
    chosen = kept[places]
    doubt = (measures.set_doubt if view.several else measures.least_confidence)(view.probabilities)
    rest = np.flatnonzero(candidates)
    rest = rest[~np.isin(rest, chosen)]
    rest = rest[np.lexsort((rest, -doubt[rest]))]
    floor = float(scores.min(initial=1.0))
    all_scores = np.concatenate([scores, doubt[rest] * floor])
    components = {"uncertainty": doubt}
    if view.relevance is not None:
        components["relevance"] = view.relevance
    return Ranked(
        np.concatenate([chosen, rest]),
        np.minimum.accumulate(np.clip(all_scores, 0.0, 1.0)).astype(np.float32),
        components,
    )


def check_strategy(options: OrderOptions, strategies: Mapping[str, Strategy] = STRATEGIES) -> None:
    """Raises SettingsError where the strategy is neither `default` nor one of `strategies`."""
    if options.strategy != "default" and options.strategy not in strategies:
        hint = suggestion(options.strategy, ["default", *strategies])
        raise SettingsError(f"strategy: unknown query strategy {options.strategy!r}{hint}")


def _learned_from(view: PoolView, in_sample: BoolArray) -> IntArray:
    """Labelled rows that are learned from: not those kept for evaluation, nor those that were skipped."""
    rows = view.labelled & ~in_sample
    if view.annotated_probabilities is not None:
        rows[view.labelled_rows[view.annotated_probabilities.sum(axis=1) <= 0.0]] = False
    return np.flatnonzero(rows)


def _usable(view: PoolView) -> PoolView:
    """The view without NaN and infinity: such a row looks like nothing, and nothing is known of it."""
    changes: dict[str, Any] = {}
    if not _is_finite(view.space):
        changes["space"] = usable_space(view, np.arange(view.n))
    for name in ("probabilities", "head_probabilities"):
        beliefs = getattr(view, name)
        if beliefs is None or (_is_finite(beliefs) and bool((beliefs.sum(axis=1) > 0).all())):
            continue
        if view.several:
            changes[name] = np.clip(np.nan_to_num(beliefs, nan=0.5), 1e-6, 1.0).astype(np.float32)
        else:
            changes[name] = measures.usable_probabilities(beliefs)
    for name, unsaid in (("relevance", 1.0), ("unknown", 0.0), ("similarities", 0.0)):
        values = getattr(view, name)
        if values is not None and not _is_finite(values):
            changes[name] = np.nan_to_num(values, nan=unsaid, posinf=unsaid, neginf=unsaid)
    return replace(view, **changes) if changes else view


def _is_finite(values: FloatArray) -> bool:
    # A sum is NaN or infinite if any of its terms is, and needs no array of its own.
    with np.errstate(invalid="ignore", over="ignore"):
        return bool(np.isfinite(values.sum(dtype=np.float64)))


def _looked_at(view: PoolView, options: OrderOptions) -> PoolView:
    """The view without what the strategy does not look at: the default one knows the photos by their graph."""
    if options.strategy == "default" and view.neighbours is not None and view.similarities is not None:
        return replace(view, space=view.space[:, :0])
    return view


def _in_digest_order(view: PoolView, layout: PoolLayout) -> PoolView:
    """The view of the rows of the layout, sorted by digest.

    Sums over rows then add the same numbers in the same order whatever order the tasks came in.
    """
    order = layout.rows
    if order.size == view.n and (order[:-1] < order[1:]).all():
        return view
    return only_rows(view, order)
