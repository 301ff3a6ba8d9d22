from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.errors import JobCancelledError
from backend.learning.calibration import reliability
from backend.learning.distillation import distil
from backend.learning.head import Head

pytestmark = pytest.mark.unit

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def pool() -> tuple[Floats, Floats, NDArray[np.int64]]:
    """400 photos of 5 overlapping clusters, beliefs that are as sure as they are right, and the truth."""
    rng = np.random.default_rng(0)
    believed = rng.dirichlet(np.full(5, 0.15), 400).astype(np.float32)
    truth = np.array([rng.choice(5, p=row / row.sum()) for row in believed.astype(np.float64)])
    embeddings = believed @ rng.normal(0, 2, (5, 64)) + rng.normal(0, 0.05, (400, 64))
    return embeddings.astype(np.float32), believed, truth


def test_it_answers_as_what_it_learned_from(pool: tuple[Floats, Floats, NDArray[np.int64]]) -> None:
    embeddings, beliefs, truth = pool
    head = distil(embeddings, beliefs, annotated=np.arange(20))
    found = head.predict(embeddings)
    agreement = (found.argmax(axis=1) == beliefs.argmax(axis=1)).mean()
    assert agreement >= 0.97
    assert head.report["agreement"] == pytest.approx(agreement)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    # As sure as it is right: every label keeps its mean, and the confidence comes true.
    assert np.allclose(found[20:].mean(axis=0), beliefs[20:].mean(axis=0), atol=0.03)
    right = found.argmax(axis=1) == truth
    assert abs(found.max(axis=1).mean() - right.mean()) < 0.06
    assert reliability(found.max(axis=1), right).expected_error < 0.12  # of 400 photos


def test_it_generalises_and_is_the_same_every_time(pool: tuple[Floats, Floats, NDArray[np.int64]]) -> None:
    embeddings, beliefs, _ = pool
    head = distil(embeddings[:300], beliefs[:300])
    unseen = head.predict(embeddings[300:])
    assert (unseen.argmax(axis=1) == beliefs[300:].argmax(axis=1)).mean() > 0.85
    np.testing.assert_array_equal(distil(embeddings[:300], beliefs[:300]).layers.kernel, head.layers.kernel)


def test_an_annotation_weighs_more_than_a_belief() -> None:
    embeddings = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], np.float32)
    beliefs = np.array([[1, 0], [0, 1], [0, 1], [0, 1]], np.float32)  # two photos alike, believed to differ
    head = distil(embeddings, beliefs, annotated=np.array([0]))
    assert head.predict(embeddings)[0].argmax() == 0


def test_it_is_kept_and_read_like_any_head(pool: tuple[Floats, Floats, NDArray[np.int64]], tmp_path) -> None:  # type: ignore[no-untyped-def]
    embeddings, beliefs, _ = pool
    head = distil(embeddings[:50], beliefs[:50])
    head.save(tmp_path / "head")
    np.testing.assert_array_equal(Head.load(tmp_path / "head").predict(embeddings), head.predict(embeddings))


def test_lengths_must_fit() -> None:
    with pytest.raises(ValueError, match="3 embeddings and 2 beliefs"):
        distil(np.zeros((3, 2)), np.zeros((2, 2), np.float32))


def test_few_photos_in_many_dimensions_are_learnt_as_well(pool: tuple[Floats, Floats, NDArray[np.int64]]) -> None:
    """Dimensions that are 0 for every photo change nothing: they only let the kernel be looked for where photos lie."""
    embeddings, beliefs, _ = pool
    few = slice(0, 60)
    wide = np.pad(embeddings[few], ((0, 0), (0, 200)))
    plain, short = distil(embeddings[few], beliefs[few]), distil(wide, beliefs[few])
    assert short.layers.kernel.shape == (264, 5)
    assert np.abs(short.layers.kernel[64:]).max() < 1e-3
    assert short.report["agreement"] >= plain.report["agreement"] - 0.02

    def lost(probabilities: Floats) -> float:
        return float(-(beliefs[few] * np.log(probabilities + 1e-9)).sum(axis=1).mean())

    assert lost(short.predict(wide)) == pytest.approx(lost(plain.predict(embeddings[few])), abs=0.02)


def test_it_tells_how_far_it_is_and_stops_where_it_is_told_to(pool: tuple[Floats, Floats, NDArray[np.int64]]) -> None:
    embeddings, beliefs, _ = pool
    shares: list[float] = []
    distil(embeddings, beliefs, progress=lambda share, said: shares.append(share))
    assert len(shares) > 4
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] < 1

    def unwanted(share: float, said: str) -> None:
        if share > 0:
            raise JobCancelledError("1")

    with pytest.raises(JobCancelledError):
        distil(embeddings, beliefs, progress=unwanted)


def test_several_labels_that_hold_are_learned_each_for_itself() -> None:
    rng = np.random.default_rng(1)
    holds = rng.random((300, 4)) < 0.4
    embeddings = (holds @ rng.normal(0, 2, (4, 32)) + rng.normal(0, 0.1, (300, 32))).astype(np.float32)
    beliefs = np.where(holds, 0.95, 0.04).astype(np.float32)
    head = distil(embeddings, beliefs, several=True)
    assert head.multiple
    assert ((head.predict(embeddings) >= 0.5) == holds).all(axis=1).mean() == pytest.approx(head.report["agreement"])
    assert head.report["agreement"] > 0.97
