"""scikit-activeml's query strategies (docs/bibliography.md [39]) behind the signature of this product's own.

Each adapter hands the library the same embeddings and the same probabilities that every other strategy sees. The
library's own defaults are kept; nothing is tuned for or against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.base import SkactivemlClassifier
from skactiveml.pool import Badge, CoreSet, TypiClust, UncertaintySampling
from skactiveml.utils import MISSING_LABEL

from backend.priority.measures import usable_probabilities
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import position_scores

Adapter = Callable[[PoolView, np.random.Generator, int], tuple[IntArray, FloatArray]]


class BeliefsAsClassifier(SkactivemlClassifier):  # type: ignore[misc]
    """A fitted classifier for the library: it looks beliefs up by row number, the one feature that it is given.

    Args:
        beliefs: [n, L], rows sum to 1.
        space: [n, k], the embedding handed out beside them.
    """

    def __init__(self, beliefs: FloatArray, space: FloatArray, missing_label: Any = MISSING_LABEL) -> None:
        super().__init__(classes=np.arange(beliefs.shape[1]), missing_label=missing_label)
        self.beliefs = beliefs
        self.space = space

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> BeliefsAsClassifier:
        """Nothing to learn: the beliefs are given."""
        return self

    def predict_proba(self, X: Any, return_embeddings: bool = False) -> Any:
        """Beliefs of the rows named in X [m, 1]; with their embeddings where asked."""
        rows = np.asarray(X)[:, 0].astype(np.intp)
        return (self.beliefs[rows], self.space[rows]) if return_embeddings else self.beliefs[rows]


def margin(view: PoolView, rng: np.random.Generator, count: int) -> tuple[IntArray, FloatArray]:
    """`UncertaintySampling(method="margin_sampling")`."""
    query = UncertaintySampling(method="margin_sampling", random_state=_seed(rng))
    return _ask_classifier(query, view, count)


def badge(view: PoolView, rng: np.random.Generator, count: int) -> tuple[IntArray, FloatArray]:
    """`Badge()`; it writes out gradients of n L k numbers."""
    query = Badge(clf_embedding_flag_name="return_embeddings", random_state=_seed(rng))
    return _ask_classifier(query, view, count)


def core_set(view: PoolView, rng: np.random.Generator, count: int) -> tuple[IntArray, FloatArray]:
    """`CoreSet()`, on the embeddings."""
    return _ask_embeddings(CoreSet(random_state=_seed(rng)), view, count)


def typi_clust(view: PoolView, rng: np.random.Generator, count: int) -> tuple[IntArray, FloatArray]:
    """`TypiClust()`, on the embeddings."""
    return _ask_embeddings(TypiClust(random_state=_seed(rng)), view, count)


ADAPTERS: Mapping[str, Adapter] = {
    "scikit-activeml margin": margin,
    "scikit-activeml CoreSet": core_set,
    "scikit-activeml TypiClust": typi_clust,
    "scikit-activeml Badge": badge,
}


def _ask_classifier(query: Any, view: PoolView, count: int) -> tuple[IntArray, FloatArray]:
    classifier = BeliefsAsClassifier(usable_probabilities(view.probabilities), view.space)
    numbers = np.arange(view.n, dtype=np.float64)[:, None]
    count = min(count, view.unlabelled_rows.size)
    return _batch(query.query(numbers, _targets(view), clf=classifier, fit_clf=False, batch_size=count))


def _ask_embeddings(query: Any, view: PoolView, count: int) -> tuple[IntArray, FloatArray]:
    count = min(count, view.unlabelled_rows.size)
    return _batch(query.query(view.space, _targets(view), batch_size=count))


def _targets(view: PoolView) -> NDArray[np.float64]:
    """Labels as the library wants them: NaN = not yet annotated."""
    targets = np.full(view.n, np.nan)
    given = view.probabilities[view.labelled_rows]
    if view.annotated_probabilities is not None:
        given = view.annotated_probabilities
    targets[view.labelled_rows] = given.argmax(axis=1)
    return targets


def _batch(rows: Any) -> tuple[IntArray, FloatArray]:
    chosen = np.asarray(rows, dtype=np.intp)
    return chosen, position_scores(chosen.size)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31 - 1))
