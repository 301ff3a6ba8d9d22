"""Your own model in the loop: scikit-learn learns, the product chooses what to label next.

    python -m examples.own_model

The photos here are made-up embeddings of five classes. Yours come from a backbone (`backend.features.embed_stream`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from backend.active_learning import ActiveLearning
from backend.simulation.photos import Photos

CLASSES = ("badger", "boar", "fox", "hare", "roe deer")


class Logistic:
    """A learner is anything with `fit` and `predict` on arrays."""

    def fit(self, embeddings: NDArray[np.floating], labels: NDArray[np.intp], n_classes: int) -> None:
        self.seen, self.n_classes = np.unique(labels), n_classes
        self.model = None
        if len(self.seen) > 1:
            self.model = LogisticRegression(class_weight="balanced").fit(embeddings, labels)

    def predict(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        found = np.zeros((len(embeddings), self.n_classes), dtype=np.float32)
        found[:, self.seen] = 1.0 if self.model is None else self.model.predict_proba(embeddings)
        return found


def made_up(count: int, seed: int) -> Photos:
    """`count` photos of the five classes, the first ten times as frequent as the last."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(CLASSES), count, p=np.array([10, 6, 3, 2, 1]) / 22)
    centres = np.random.default_rng(0).normal(size=(len(CLASSES), 64))
    embeddings = np.maximum(centres[labels] + rng.normal(scale=2.0, size=(count, 64)), 0)
    digests = tuple(f"{seed}-{number:05d}" for number in range(count))
    return Photos(embeddings.astype(np.float16), labels.astype(np.intp), digests)


def main(rounds: int = 8, batch: int = 15) -> list[float]:
    """Play the annotator; the accuracy on other photos after each round."""
    pool, test = made_up(1500, seed=1), made_up(500, seed=2)
    learning = ActiveLearning(pool, CLASSES, learner=Logistic())
    accuracy = []
    for _ in range(rounds):
        rows = learning.query(batch)  # which photos teach most
        learning.answer(rows, pool.labels[rows].tolist())  # a person would say what they show
        learning.fit()
        accuracy.append(float((learning.predict(test.embeddings).argmax(axis=1) == test.labels).mean()))
        print(f"{len(learning.answered):4d} answers: accuracy {accuracy[-1]:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
