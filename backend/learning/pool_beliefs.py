"""What the pool believes after every annotation: labels spread over its kNN graph, in well under a second."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.learning.confidence import as_sure_as_the_photo, still_depicted
from backend.learning.evened_prior import evened_prior
from backend.learning.evidence import label_shares, mix_with_prior
from backend.learning.graph_options import GraphOptions
from backend.learning.linear import LinearModel, fit_ridge
from backend.learning.mixture import Mixture, fit_mixture, is_affordable, is_worthwhile, mixture_weight
from backend.learning.pool_graph import PoolGraph
from backend.learning.probabilities import (
    MOST_LEVEL,
    geometric_mean,
    hard_labels,
    linear_weight,
    normalise_rows,
    tells_photos_apart,
)
from backend.learning.projection import Projection
from backend.learning.relevance import RelevanceHints, agreed_relevance, learn_relevance, with_relevance

FloatArray = NDArray[np.float32]

WARM_FROM = 4_000_000
"""Beliefs (photos x labels) from which spreading starts from the last result; smaller pools start afresh, so that what
is believed never depends on what was believed before."""


class PoolBeliefs(PoolGraph):
    """The pool of n images as a graph (`PoolGraph`) that labels spread over.

    Attributes:
        prior: float32 [n, L], beliefs before any annotation; rows sum to 1.
        crowd_prior: float32 [n, L], those that suggestions go by, and the order does not, while there is a mixture; rows
            sum to 1; None: `prior`.
        depicted: bool [L], labels that ImageNet has classes of (`LabelSpace.depicted`); None: not known, as if none were.
        hints: what is known of relevance without annotations; None: everything belongs.
        relevance: float32 [n] in [0, 1], 1 = belongs, by the last `propagate`; None: nothing tells.
        unmixed: float32 [n, L], beliefs of the last `propagate` without the mixture, for the order: the mixture is
            right more often, and surer than it may be, so that its doubt tells less of what to ask; None: before the
            first.
    """

    def __init__(
        self,
        embeddings: NDArray[np.floating],
        prior: FloatArray,
        *,
        seed: int = 0,
        options: GraphOptions | None = None,
        projection: Projection | None = None,
        hints: RelevanceHints | None = None,
        crowd_prior: FloatArray | None = None,
        depicted: NDArray[np.bool_] | None = None,
    ) -> None:
        """Build the graph; in a `projection` learnt from annotations where one is given, else in one fitted here."""
        super().__init__(embeddings, seed=seed, options=options, projection=projection)
        self.prior: FloatArray = normalise_rows(prior)
        self.crowd_prior, self.depicted = self._for_crowds(crowd_prior), depicted
        self.hints = hints if hints is not None and hints.used else None
        self._annotated: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._per_label = 0.0  # annotations for each label that the pool seems to show
        self._forget()

    def _forget(self) -> None:
        self._state: FloatArray | None = None
        self._smoothed: FloatArray | None = None
        self._smoothed_crowds: FloatArray | None = None
        self.relevance: FloatArray | None = None
        self.unmixed: FloatArray | None = None
        self._spread_labels: FloatArray | None = None
        self._linear: LinearModel | None = None
        self._mixture: tuple[Mixture, FloatArray] | None = None
        self._seen_labels: NDArray[np.bool_] | None = None  # `depicted`, as far as annotations bear it out

    @property
    def several(self) -> bool:
        """Whether beliefs are probabilities of single labels, of which several may hold; else rows sum to 1."""
        return False

    @property
    def n_labels(self) -> int:
        """Labels L."""
        return int(self.prior.shape[1])

    @property
    def _irrelevant(self) -> NDArray[np.bool_] | None:
        return None if self.hints is None else self.hints.irrelevant

    @property
    def smoothed_prior(self) -> FloatArray:
        """The prior, evened out over the graph: float32 [n, L], rows sum to 1; what is believed with no annotation."""
        if self._smoothed is None:
            self._smoothed = evened_prior(self.graph, self.prior, alpha=self.options.prior_alpha)
        return self._smoothed

    @property
    def smoothed_crowd_prior(self) -> FloatArray:
        """The `crowd_prior`, evened out in the same way; the `smoothed_prior` itself where there is none."""
        if self.crowd_prior is None:
            return self.smoothed_prior
        if self._smoothed_crowds is None:
            self._smoothed_crowds = evened_prior(self.graph, self.crowd_prior, alpha=self.options.prior_alpha)
        return self._smoothed_crowds

    def add(
        self,
        embeddings: NDArray[np.floating],
        prior: FloatArray,
        *,
        hints: RelevanceHints | None = None,
        joined: NDArray[np.floating] | None = None,
        crowd_prior: FloatArray | None = None,
    ) -> None:
        """Append images [m, d] with prior [m, L] and their `hints`: linked to the pool, its graph is not built anew.

        A small pool that has doubled since its projection was fitted is fitted anew. The next `propagate` counts.

        Args:
            joined: float [n + m, d], the embeddings of the pool and the new ones, from a caller who holds them
                (`PoolGraph.join`).
            crowd_prior: of these images [m, L]; None: `prior`.
        """
        if embeddings.shape[0] == 0:
            return
        self.prior = np.concatenate([self.prior, normalise_rows(prior)])
        if self.crowd_prior is not None:
            crowds = prior if crowd_prior is None else crowd_prior
            self.crowd_prior = np.concatenate([self.crowd_prior, normalise_rows(crowds)])
        if self.hints is not None:
            self.hints = self.hints.joined(hints or RelevanceHints(self.hints.irrelevant))
        self.join(embeddings, joined)
        if not is_affordable(self.prior.size, self.space.shape[1]):
            self.crowd_prior = None
        self._forget()

    def weigh(self, crowd_prior: FloatArray | None) -> None:
        """Take another `crowd_prior` [n, L], as of the constructor. The next `propagate` counts."""
        self.crowd_prior = self._for_crowds(crowd_prior)
        self._forget()

    def _for_crowds(self, crowd_prior: FloatArray | None) -> FloatArray | None:
        """`crowd_prior` [n, L] with rows that sum to 1; None where a pool is too large for a mixture anyway."""
        if crowd_prior is None or not is_affordable(crowd_prior.size, self.space.shape[1]):
            return None
        return normalise_rows(crowd_prior)

    def propagate(self, rows: NDArray[np.integer], targets: FloatArray) -> FloatArray:
        """Spread the annotations `targets` [m, L] of `rows` [m]: probabilities float32 [n, L], rows sum to 1.

        What arrives is weighed against the prior (`mix_with_prior`), a linear model is fitted on the outcome, and the
        two halves are averaged; while annotations are few, a mixture of Gaussians has a say (`fit_mixture`). Labels for
        photos that do not belong get what `learn_relevance` says of the photo. The result is to be read, not written.
        """
        rows = np.array(rows, dtype=np.intp)
        targets = np.asarray(targets, dtype=np.float32)
        options = self.options
        self._annotated, self._per_label = np.array(rows, dtype=np.intp), 0.0
        self.relevance = self._learnt_relevance(self._annotated, targets)
        if rows.size == 0:
            self._linear, self._state = None, None
            self._spread_labels = self._with_relevance(self.smoothed_prior.copy())
            self.unmixed = self._spread_labels
            return self._told(self._with_mixture(self.unmixed, self._spread_labels, targets))
        seeds = np.zeros((self.n, self.n_labels), dtype=np.float32)
        np.add.at(seeds, rows, targets)
        self._state = self.graph.spread(
            seeds,
            alpha=options.alpha,
            iterations=options.iterations,
            start=self._state if self.prior.size >= WARM_FROM else None,
        )
        del seeds
        labels, present = self._shared(self._state, targets, self.smoothed_prior)
        self._per_label = rows.size / present
        own = labels[rows]
        self._spread_labels = labels
        trust = labels.max(axis=1)
        trust[rows] *= np.float32(options.label_trust)
        # Without a prior labels are level because nobody annotated them yet, not because they are alike.
        most_level = MOST_LEVEL if tells_photos_apart(self.prior) else 1
        self._linear = fit_ridge(self._features, hard_labels(labels, rows, own, most_level=most_level), trust)
        beliefs = geometric_mean(labels, self._linear.probabilities(self._features), weight=linear_weight(rows.size))
        self.unmixed = self._with_relevance(beliefs)
        beliefs = self._with_mixture(self.unmixed, labels, targets)
        place, copy_row = self.pairs_of(self._annotated)
        for answered in (self.unmixed, beliefs):
            answered[copy_row] = own[place]
            answered[rows] = own
        return self._told(beliefs)

    def _shared(self, state: FloatArray, targets: FloatArray, prior: FloatArray) -> tuple[FloatArray, float]:
        """What annotations that spread as `state` [n, L] and a smoothed prior [n, L] say together: float32 [n, L], rows
        sum to 1, those of annotated photos as they were answered; and how many labels the pool seems to show.
        """
        counts, strength = targets.sum(axis=0), self.options.prior_strength
        shares, present = label_shares(counts, prior, self._irrelevant, strength=strength)
        mixed = mix_with_prior(state.copy(), counts, prior, shares, strength=strength)
        labels = self._with_relevance(normalise_rows(mixed, otherwise=prior))
        labels[self._annotated] = normalise_rows(targets, otherwise=labels[self._annotated])
        return labels, present

    def _known_to_crowds(self, labels: FloatArray, targets: FloatArray) -> FloatArray:
        """What the mixture goes by, float32 [n, L]: the spread `labels` [n, L] as they are with the `crowd_prior`."""
        if self.crowd_prior is None:
            return labels
        if self._state is None:
            return self._with_relevance(self.smoothed_crowd_prior.copy())
        return self._shared(self._state, targets, self.smoothed_crowd_prior)[0]

    def _told(self, beliefs: FloatArray) -> FloatArray:
        """`beliefs` for the caller; where the order reads the very same array, such that nobody can write into it."""
        if beliefs is self.unmixed:
            beliefs = beliefs.view()
            beliefs.setflags(write=False)
        return beliefs

    def _with_mixture(self, beliefs: FloatArray, labels: FloatArray, targets: FloatArray) -> FloatArray:
        """`beliefs` [n, L] and those of a mixture fitted on the spread `labels` [n, L], averaged while annotations are few.

        Without a mixture `beliefs` itself, which is big; else a new array.
        """
        self._mixture = None
        if not is_worthwhile(self.prior, self.space.shape[1], self._per_label):
            return beliefs
        known = self._known_to_crowds(labels, targets)
        self._mixture = fit_mixture(self.space, self.links, known, self._annotated, self._irrelevant)
        weight = mixture_weight(self.prior, self._per_label)
        mixed = self._with_relevance(geometric_mean(beliefs, self._mixture[1], weight=weight))
        given = self.depicted
        self._seen_labels = given if given is None else still_depicted(given, self.prior[self._annotated], targets)
        seen, irrelevant = self.prior if self.crowd_prior is None else self.crowd_prior, self._irrelevant
        return as_sure_as_the_photo(mixed, seen, self._per_label, depicted=self._seen_labels, irrelevant=irrelevant)

    def _learnt_relevance(self, rows: NDArray[np.intp], targets: FloatArray) -> FloatArray | None:
        if self.hints is None or self.n == 0:
            return None
        said = targets.sum(axis=1) > 0
        relevant = ~self.hints.irrelevant[targets[said].argmax(axis=1)]
        signals = self.hints.signals(self.prior)
        return learn_relevance(self, signals, rows[said], relevant, unknown=self.hints.unknown)

    def _with_relevance(self, beliefs: FloatArray) -> FloatArray:
        if self.relevance is None or self.hints is None or not self.hints.irrelevant.any():
            return beliefs
        relevance = self.relevance
        if self._annotated.size:
            relevance = agreed_relevance(beliefs, relevance, self.hints.irrelevant)
        return with_relevance(beliefs, relevance, self.hints.irrelevant)
