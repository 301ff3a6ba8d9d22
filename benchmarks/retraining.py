"""Retraining a head against scikit-learn's logistic regression, on the same embeddings, in one run.

    python -m benchmarks.retraining                                   # 100 classes, 5,000 annotations, 2048-d, made here
    python -m benchmarks.retraining --embeddings photos.npz           # arrays `embeddings` [n, d] and `labels` [n]

Both learn from the same rows and are judged on the same others; the head also gets, as in the product, evaluation
photos that stop its training. The import of Keras and its first graph, which a training process pays once, are timed
apart.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from backend.learning.evaluation import evaluate
from backend.learning.head import train_head
from backend.learning.head_options import KINDS, HeadOptions

TEST_PHOTOS = 2000


def synthetic(classes: int, count: int, dim: int, seed: int) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Non-negative embeddings as after a ReLU, classes that overlap: a linear head gets about nine in ten right."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(64, dim)).astype(np.float32) / 8
    centres = rng.normal(size=(classes, dim)).astype(np.float32) * np.float32(0.22)
    labels = rng.integers(0, classes, count)
    styles = rng.normal(size=(count, 64)).astype(np.float32) @ shared
    noise = rng.normal(size=(count, dim)).astype(np.float32)
    return np.maximum(centres[labels] + styles + noise, 0).astype(np.float16), labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, help="npz with `embeddings` and `labels`, instead of made-up ones")
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--annotations", type=int, default=5000)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--kind", choices=KINDS, default="linear", help="kind of head")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.embeddings is None:
        # Exactly so many are learnt from: the evaluation photos come on top.
        total = arguments.annotations + arguments.annotations // 10 + TEST_PHOTOS
        embeddings, labels = synthetic(arguments.classes, total, arguments.dim, arguments.seed)
        train, stop, test = np.split(np.arange(total), [arguments.annotations, total - TEST_PHOTOS])
    else:
        with np.load(arguments.embeddings, allow_pickle=False) as stored:
            embeddings, labels = stored["embeddings"], stored["labels"]
        held = np.random.default_rng(arguments.seed).random(len(labels)) < 1 / 3
        # A tenth of the annotations are evaluation photos: they stop the head's training, and nobody learns from them.
        rows = np.random.default_rng(arguments.seed).permutation(np.flatnonzero(~held))
        stop, train = rows[: len(rows) // 10], rows[len(rows) // 10 :]
        test = np.flatnonzero(held)
    targets = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]

    started = time.perf_counter()
    evaluation = (embeddings[stop], targets[stop])
    train_head(embeddings[train], targets[train], HeadOptions(arguments.kind, epochs=1), evaluation=evaluation)
    warming = time.perf_counter() - started
    started = time.perf_counter()
    head = train_head(embeddings[train], targets[train], HeadOptions(arguments.kind), evaluation=evaluation)
    head_seconds = time.perf_counter() - started
    head_accuracy = evaluate(head.predict(embeddings[test]), targets[test]).accuracy

    started = time.perf_counter()
    reference = LogisticRegression(max_iter=1000).fit(embeddings[train].astype(np.float32), labels[train])
    reference_seconds = time.perf_counter() - started
    reference_accuracy = reference.score(embeddings[test].astype(np.float32), labels[test])

    print(f"{len(train)} annotations, {targets.shape[1]} classes, {embeddings.shape[1]}-d, {len(test)} test photos")
    print(f"import and first graph      {warming:7.2f} s")
    print(
        f"head                        {head_seconds:7.2f} s  accuracy {head_accuracy:.4f}  ({head.report['epochs']} epochs)"
    )
    print(f"scikit-learn               {reference_seconds:7.2f} s  accuracy {reference_accuracy:.4f}")
    print(
        f"head / scikit-learn         {head_seconds / reference_seconds:7.2f} x the time, {head_accuracy - reference_accuracy:+.4f} accuracy"
    )


if __name__ == "__main__":
    main()
