"""Active learning on arrays: which photos to ask about next, and what is believed after each answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backend.active_learning.learners import Classes, Embeddings, Floats, Learner
from backend.learning.adaptation import AdaptationOptions, train_projection
from backend.learning.pool_model import PoolModel
from backend.learning.transform import fit_whitening
from backend.priority import OrderOptions, PoolView, check_strategy, order_pool
from backend.simulation.photos import Hierarchy, Photos

UNANSWERED = -1
SET_ASIDE = -2  # neither asked about again nor learnt from


class ActiveLearning:
    """A pool of photos with the answers given so far.

    `query` names the photos that teach most, `answer` takes what a person said of them, `fit` learns; `predict` tells
    of any photo. The same calls give the same results.

    Attributes:
        pool: the photos; their `labels` are not looked at.
        classes: readable names of the L classes.
        answers: int [n], class of each answered photo, -1 where nobody has answered, -2 where a photo was set aside.
    """

    def __init__(
        self,
        pool: Photos,
        classes: Sequence[str],
        *,
        learner: Learner | None = None,
        strategy: str = "default",
        hierarchy: Hierarchy | None = None,
        adaptation: AdaptationOptions | None = None,
        adaptation_epochs: int | None = None,
        seed: int = 0,
    ) -> None:
        """Open a pool.

        Args:
            learner: your model; None: labels spread over the graph of the pool, as the server does.
            strategy: name of a query strategy (`python -m backend strategies`).
            hierarchy: above the classes, where there is one.
            adaptation: also learn a projection of the embeddings, in which the graph then lives.
            adaptation_epochs: how often that sees each answer, instead of a fixed number of steps.

        Raises:
            SettingsError: the strategy is not known.
        """
        check_strategy(OrderOptions(strategy=strategy, window=1, seed=seed))
        self.pool = pool
        self.classes = tuple(classes)
        self.answers: Classes = np.full(len(pool), UNANSWERED, dtype=np.intp)
        self._learner = learner
        self._strategy = strategy
        self._hierarchy = hierarchy or Hierarchy()
        self._adaptation = adaptation
        self._adaptation_epochs = adaptation_epochs
        self._seed = seed
        self._prior = _prior_of(pool, len(self.classes))
        self._model = PoolModel(
            pool.embeddings, self._prior, seed=seed, crowd_prior=pool.crowd_prior, depicted=pool.depicted
        )
        self._beliefs: Floats = self._model.prior
        self._fitted = False

    @property
    def answered(self) -> NDArray[np.intp]:
        """Rows with an answer, ascending."""
        return np.flatnonzero(self.answers >= 0)

    @property
    def open_rows(self) -> NDArray[np.intp]:
        """Rows that may still be asked about, ascending."""
        return np.flatnonzero(self.answers == UNANSWERED)

    @property
    def beliefs(self) -> Floats:
        """Probabilities float32 [n, L] of the pool's photos, as of the last `fit`."""
        return self._beliefs

    def answer(self, rows: Sequence[int], labels: Sequence[int]) -> None:
        """Take the class of each row; a later answer replaces an earlier one. `SET_ASIDE` takes a row out."""
        for row, label in zip(rows, labels, strict=True):
            if not (0 <= label < len(self.classes) or label == SET_ASIDE):
                raise ValueError(f"label {label} of row {row}: there are {len(self.classes)} classes")
            self.answers[row] = label

    def query(self, count: int) -> list[int]:
        """The `count` rows to ask about next, first what teaches most; fewer where fewer are open."""
        count = min(count, len(self.open_rows))
        if count == 0:
            return []
        unmixed = None if self._learner is not None else self._model.unmixed
        view = PoolView(
            space=self._model.space,
            probabilities=self._beliefs if unmixed is None else unmixed,
            labelled=self.answers != UNANSWERED,
            digests=self.pool.digests,
            membership=self._hierarchy.membership,
            node_names=self._hierarchy.node_names,
            label_names=self.classes,
            relevance=self.pool.relevance,
            unknown=self.pool.unknown,
            annotated_probabilities=self._targets(np.flatnonzero(self.answers != UNANSWERED)),
            neighbours=self._model.neighbours,
            similarities=self._model.similarities,
            same_photo=self._model.same_photo,
            rng_seed=self._seed,
        )
        options = OrderOptions(strategy=self._strategy, window=count, evaluation_share=0.0, seed=self._seed)
        return [int(row) for row in order_pool(view, options).rows[:count]]

    def fit(self) -> None:
        """Learn from all answers. Without any, the beliefs stay those before the first."""
        rows = self.answered
        if not len(rows):
            return
        self._adapt(rows)
        self._beliefs = self._model.propagate(rows, self._targets(rows))
        if self._learner is not None:
            self._learner.fit(self.pool.embeddings[rows], self.answers[rows], len(self.classes))
            self._beliefs = self._learner.predict(self.pool.embeddings)
        self._fitted = True

    def predict(self, embeddings: Embeddings, prior: Floats | None = None) -> Floats:
        """Probabilities float32 [m, L] of any photos, with what was believed of them before any answer [m, L]."""
        if prior is None:
            prior = np.full((len(embeddings), len(self.classes)), 1 / len(self.classes), dtype=np.float32)
        if not self._fitted:
            return prior
        if self._learner is not None:
            return self._learner.predict(embeddings)
        return self._model.extend(embeddings, prior)

    def _targets(self, rows: NDArray[np.intp]) -> Floats:
        targets: Floats = np.zeros((len(rows), len(self.classes)), dtype=np.float32)
        known = self.answers[rows] >= 0
        targets[np.flatnonzero(known), self.answers[rows][known]] = 1.0
        targets[~known] = self._beliefs[rows][~known]
        return targets

    def _adapt(self, rows: NDArray[np.intp]) -> None:
        """Move the graph into a projection learnt from the answers, once two classes have two photos each."""
        counts = np.bincount(self.answers[rows], minlength=len(self.classes))
        if self._adaptation is None or (counts >= 2).sum() < 2:
            return
        base = fit_whitening(self.pool.embeddings, seed=self._seed)
        options = self._adaptation
        if self._adaptation_epochs is not None:
            batch = options.labels_per_batch * options.photos_per_label
            options = replace(options, steps=self._adaptation_epochs * -(-len(rows) // batch))
        projection = train_projection(self.pool.embeddings[rows], self.answers[rows], base, options)
        self._model = PoolModel(
            self.pool.embeddings,
            self._prior,
            seed=self._seed,
            projection=projection.as_projection(),
            crowd_prior=self.pool.crowd_prior,
            depicted=self.pool.depicted,
        )


def _prior_of(photos: Photos, n_classes: int) -> Floats:
    if photos.prior is not None:
        return photos.prior
    return np.full((len(photos), n_classes), 1 / n_classes, dtype=np.float32)
