from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from backend.errors import BackendError
from backend.learning.evaluation import evaluate, photo_scores
from backend.learning.head import HeadOptions, train_head
from backend.learning.promotion import Disagreement, Outcome

pytestmark = pytest.mark.unit

DIM, LABELS = 32, 6


def clusters(count: int, seed: int, spread: float = 0.35) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings around one random centre per label (the same for every seed), and their labels."""
    centres = np.random.default_rng(99).normal(size=(LABELS, DIM))
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % LABELS
    embeddings = centres[labels] + rng.normal(size=(count, DIM)) * spread * np.sqrt(LABELS)
    return embeddings.astype(np.float16), labels


def one_hot(labels: np.ndarray, n_labels: int = LABELS) -> np.ndarray:
    return np.eye(n_labels, dtype=np.float32)[labels]


@pytest.mark.parametrize("kind", ["linear", "mlp", "cosine"])
def test_every_kind_learns_and_is_calibrated_on_the_evaluation_photos(kind: str) -> None:
    embeddings, labels = clusters(180, 0)
    held_out, truth = clusters(120, 1)
    seen: list[tuple[float, str]] = []
    head = train_head(
        embeddings,
        one_hot(labels),
        HeadOptions(kind=kind, hidden=32),  # type: ignore[arg-type]
        evaluation=(held_out, one_hot(truth)),
        progress=lambda part, message: seen.append((part, message)),
    )
    fresh, fresh_truth = clusters(300, 2)
    found = evaluate(head.predict(fresh), one_hot(fresh_truth))
    assert found.accuracy > 0.9
    assert found.calibration_error < 0.1
    assert head.kind == kind
    assert head.report["stopped_by"] == "evaluation"
    parts = [part for part, _ in seen]
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    assert len(parts) > 2


def test_few_annotations_are_cross_validated() -> None:
    embeddings, labels = clusters(24, 0)
    head = train_head(embeddings, one_hot(labels), evaluation=(embeddings[:5], one_hot(labels[:5])))
    assert head.report["stopped_by"] == "cross-validation"
    assert head.report["validation_loss"] > 0
    fresh, truth = clusters(300, 2)
    assert evaluate(head.predict(fresh), one_hot(truth)).accuracy > 0.7


def test_same_input_same_head() -> None:
    embeddings, labels = clusters(30, 0)
    first, second = (train_head(embeddings, one_hot(labels)) for _ in range(2))
    np.testing.assert_array_equal(first.predict(embeddings), second.predict(embeddings))


def test_same_input_same_head_while_another_is_trained() -> None:
    embeddings, labels = clusters(30, 0)
    mlp = HeadOptions(kind="mlp", hidden=8)  # drawn at random: its first weights, and what dropout leaves out

    def weights(_: int) -> np.ndarray:
        return train_head(embeddings, one_hot(labels), mlp, epochs=5).layers.kernel

    alone = weights(0)
    with ThreadPoolExecutor(3) as pool:
        for together in pool.map(weights, range(6)):
            np.testing.assert_array_equal(together, alone)


def test_labels_without_annotations_keep_their_prior() -> None:
    embeddings, labels = clusters(30, 0)
    n_labels = LABELS + 2
    rng = np.random.default_rng(0)
    prior = rng.dirichlet(np.ones(n_labels), len(labels)).astype(np.float32)
    head = train_head(embeddings, one_hot(labels, n_labels), prior=prior)
    found = head.predict(embeddings, prior)
    np.testing.assert_allclose(found[:, LABELS:], prior[:, LABELS:], atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(head.predict(embeddings)[0, LABELS:], prior.mean(axis=0)[LABELS:], atol=1e-6)


def test_one_photo_of_one_label_is_enough() -> None:
    embeddings, labels = clusters(1, 0)
    head = train_head(embeddings, one_hot(labels))
    found = head.predict(embeddings)
    assert found.shape == (1, LABELS)
    assert found.argmax() == labels[0]


def test_one_photo_a_label_is_classified_by_its_direction_without_certainty() -> None:
    embeddings, labels = clusters(LABELS, 0)
    head = train_head(embeddings, one_hot(labels))
    assert head.report["epochs"] == 0
    fresh, truth = clusters(300, 2)
    found = evaluate(head.predict(fresh), one_hot(truth))
    assert found.accuracy > 0.5
    assert found.calibration_error < 0.4


def test_pseudo_labels_help_where_annotations_are_few() -> None:
    embeddings, labels = clusters(LABELS * 40, 0, spread=0.8)
    weights = np.where(np.arange(len(labels)) < LABELS, 1.0, 0.3).astype(np.float32)
    head = train_head(embeddings, one_hot(labels), weights=weights)
    assert head.report["epochs"] > 0
    fresh, truth = clusters(300, 2, spread=0.8)
    alone = train_head(embeddings[:LABELS], one_hot(labels[:LABELS]))
    with_them = evaluate(head.predict(fresh), one_hot(truth)).accuracy
    assert with_them > evaluate(alone.predict(fresh), one_hot(truth)).accuracy


def test_several_labels_a_photo() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(500, DIM)).astype(np.float32)
    targets = (embeddings[:, :3] > 0.3).astype(np.float32)
    head = train_head(
        embeddings[:300], targets[:300], HeadOptions(multiple=True), evaluation=(embeddings[300:400], targets[300:400])
    )
    found = evaluate(head.predict(embeddings[400:]), targets[400:], multiple=True)
    assert found.macro_f1 > 0.85
    assert found.calibration_error < 0.1


def test_balanced_batches_help_the_rare_label() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(1000) % 20 == 0  # 5 % are of label 1, which overlaps with label 0
    embeddings = rng.normal(size=(1000, 4)) + np.where(labels, 1.0, 0.0)[:, None]
    targets = one_hot(labels.astype(int), 2)
    fresh = rng.normal(size=(1000, 4)) + 1.0
    recall = {
        batches: (train_head(embeddings, targets, HeadOptions(batches=batches)).predict(fresh)[:, 1] > 0.5).mean()  # type: ignore[arg-type]
        for batches in ("simple", "balanced")
    }
    assert recall["balanced"] > recall["simple"] + 0.1


def test_warm_start_goes_on_from_the_earlier_head() -> None:
    embeddings, labels = clusters(240, 0, spread=0.8)
    held_out, truth = clusters(120, 1, spread=0.8)
    evaluation = (held_out, one_hot(truth))
    earlier = train_head(embeddings, one_hot(labels), evaluation=evaluation)
    hardly = HeadOptions(epochs=1, learning_rate=1e-6)
    warm = train_head(embeddings, one_hot(labels), hardly, evaluation=evaluation, warm_start=earlier)
    assert warm.transform.same_as(earlier.transform)
    np.testing.assert_allclose(warm.predict(held_out), earlier.predict(held_out), atol=1e-2)
    cold = train_head(embeddings, one_hot(labels), hardly, evaluation=evaluation)
    assert not np.allclose(cold.predict(held_out), earlier.predict(held_out), atol=1e-2)


def test_warm_start_of_another_label_set_starts_afresh(caplog: pytest.LogCaptureFixture) -> None:
    embeddings, labels = clusters(60, 0)
    evaluation = (embeddings, one_hot(labels))
    small = train_head(embeddings[labels < 3], one_hot(labels[labels < 3], 3))
    with caplog.at_level("INFO"):
        head = train_head(embeddings, one_hot(labels), evaluation=evaluation, warm_start=small)
    assert "starts afresh" in caplog.text
    assert head.n_labels == LABELS


def test_a_head_trained_on_poisoned_labels_is_not_promoted() -> None:
    embeddings, labels = clusters(120, 0)
    held_out, truth = clusters(60, 1)
    evaluation = (held_out, one_hot(truth))
    serving = train_head(embeddings, one_hot(labels), evaluation=evaluation)
    poisoned = train_head(embeddings, one_hot((labels + 1) % LABELS), evaluation=evaluation)

    right, wrong = (photo_scores(head.predict(held_out), evaluation[1]) > 0.5 for head in (serving, poisoned))
    differ = int((right != wrong).sum())
    compared = Disagreement(
        "v2", "v1", len(truth), differ, better=int((wrong & ~right).sum()), worse=int((right & ~wrong).sum())
    )
    assert compared.outcome() is Outcome.KEEP
    assert compared.gain < -0.5


def test_refuses_what_it_cannot_learn_from() -> None:
    with pytest.raises(BackendError, match="label some first") as nothing:
        train_head(np.ones((3, 4)), np.zeros((3, 2), dtype=np.float32))
    assert nothing.value.reason == "no_annotations"
    with pytest.raises(ValueError, match="must be"):
        train_head(np.ones((3, 4)), np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(ValueError, match="epochs must be between 1 and"):
        HeadOptions(epochs=0)
    with pytest.raises(ValueError, match="kind must be one of linear, mlp, cosine"):
        HeadOptions(kind="tree")  # type: ignore[arg-type]


def test_predicting_does_not_import_tensorflow() -> None:
    script = "import sys, backend.learning.head, backend.learning.export; print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
