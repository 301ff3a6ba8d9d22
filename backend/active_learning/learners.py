"""What learns from the answers. Anything with `fit` and `predict` on arrays will do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from backend.errors import SettingsError
from backend.learning.projection import unit_rows

Floats = NDArray[np.float32]
Embeddings = NDArray[np.floating]
Classes = NDArray[np.intp]
Batches = Literal["balanced", "simple"]

WITH_EPOCHS = ("linear", "mlp")
GRAPH = "graph"  # no learner: labels spread over the pool's graph, as the server does


class Learner(Protocol):
    """A model on embeddings."""

    def fit(self, embeddings: Embeddings, labels: Classes, n_classes: int) -> None:
        """Learn from embeddings [m, d] and the class [m] of each; some of the `n_classes` may have no example."""

    def predict(self, embeddings: Embeddings) -> Floats:
        """Probabilities float32 [n, n_classes], rows sum to 1."""


class HeadLearner:
    """The server's trained head, linear or with a hidden layer."""

    def __init__(self, kind: Literal["linear", "mlp"], batches: Batches, seed: int, epochs: int | None = None) -> None:
        """`epochs`: at most so many; None: as the server trains."""
        from backend.learning.head_options import HeadOptions

        options = HeadOptions(kind=kind, batches=batches, seed=seed)
        self._options = options if epochs is None else replace(options, epochs=epochs)
        self._head: Any = None

    def fit(self, embeddings: Embeddings, labels: Classes, n_classes: int) -> None:
        from backend.learning.head import train_head

        self._head = train_head(embeddings, np.eye(n_classes, dtype=np.float32)[labels], self._options)

    def predict(self, embeddings: Embeddings) -> Floats:
        found: Floats = self._head.predict(embeddings)
        return np.asarray(found / found.sum(axis=1, keepdims=True), dtype=np.float32)


class SklearnLearner:
    """A scikit-learn classifier on embeddings of unit length.

    `make(examples)` gives a fresh, unfitted estimator. One with `predict_proba` is asked by that, another by the softmax
    of its `decision_function`.
    """

    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make = make
        self._n_classes = 0
        self._seen: Classes = np.zeros(0, dtype=np.intp)
        self._estimator: Any = None

    def fit(self, embeddings: Embeddings, labels: Classes, n_classes: int) -> None:
        self._n_classes = n_classes
        self._seen = np.unique(labels)
        self._estimator = None
        if len(self._seen) > 1:
            self._estimator = self._make(len(labels)).fit(_unit(embeddings), labels)

    def predict(self, embeddings: Embeddings) -> Floats:
        found: Floats = np.zeros((len(embeddings), self._n_classes), dtype=np.float32)
        if self._estimator is None:
            found[:, self._seen] = 1.0
        elif hasattr(self._estimator, "predict_proba"):
            found[:, self._seen] = self._estimator.predict_proba(_unit(embeddings))
        else:
            scores = self._estimator.decision_function(_unit(embeddings))
            scores = np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores
            found[:, self._seen] = softmax(scores, axis=1)
        return found


def _unit(embeddings: Embeddings) -> Floats:
    return unit_rows(embeddings.astype(np.float32))


def _knn(seed: int, batches: Batches, epochs: int | None) -> Learner:
    from sklearn.neighbors import KNeighborsClassifier

    return SklearnLearner(lambda count: KNeighborsClassifier(min(5, count), weights="distance"))


def _svm(seed: int, batches: Batches, epochs: int | None) -> Learner:
    from sklearn.svm import LinearSVC

    weight = "balanced" if batches == "balanced" else None
    return SklearnLearner(lambda count: LinearSVC(C=1.0, class_weight=weight, random_state=seed))


def _random_forest(seed: int, batches: Batches, epochs: int | None) -> Learner:
    from sklearn.ensemble import RandomForestClassifier

    weight = "balanced" if batches == "balanced" else None
    return SklearnLearner(lambda count: RandomForestClassifier(300, class_weight=weight, random_state=seed))


def _linear(seed: int, batches: Batches, epochs: int | None) -> Learner:
    return HeadLearner("linear", batches, seed, epochs)


def _mlp(seed: int, batches: Batches, epochs: int | None) -> Learner:
    return HeadLearner("mlp", batches, seed, epochs)


LEARNERS: Mapping[str, Callable[[int, Batches, int | None], Learner]] = MappingProxyType(
    {"linear": _linear, "mlp": _mlp, "knn": _knn, "svm": _svm, "random-forest": _random_forest}
)


def make_learner(
    name: str, *, seed: int = 0, batches: Batches = "balanced", epochs: int | None = None
) -> Learner | None:
    """A fresh learner by name; None for `graph`. `epochs` is for those that learn step by step: `linear` and `mlp`.

    Raises:
        SettingsError: there is none of this name, or it has no epochs.
    """
    if name != GRAPH and name not in LEARNERS:
        raise SettingsError(f"--classifier {name}: unknown; known: {GRAPH}, {', '.join(LEARNERS)}.")
    if epochs is not None and name not in WITH_EPOCHS:
        raise SettingsError(
            f"--epochs is for --classifier {' and '.join(WITH_EPOCHS)}; {name} does not learn in epochs."
        )
    return None if name == GRAPH else LEARNERS[name](seed, batches, epochs)
