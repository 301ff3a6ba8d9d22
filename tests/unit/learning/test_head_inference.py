from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from backend.errors import BackendError
from backend.learning.head_inference import Head, HeadLayers, mix_with_prior
from backend.learning.transform import FeatureTransform, fit_whitening

pytestmark = pytest.mark.unit


def some_head(seed: int = 0, *, hidden: bool = False, multiple: bool = False) -> Head:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    annotated = np.array([True, True, False, True])
    layers = HeadLayers(draw(5, 3), draw(3), draw(6, 5), draw(5)) if hidden else HeadLayers(draw(6, 3), draw(3))
    return Head(
        kind="mlp" if hidden else "linear",
        transform=FeatureTransform(draw(8), draw(8, 6)),
        layers=layers.spread(annotated),
        annotated=annotated,
        mean_prior=np.array([0.3, 0.3, 0.1, 0.3], dtype=np.float32),
        multiple=multiple,
        temperature=1.5,
        report={"annotations": 12},
    )


def test_labels_without_annotations_keep_their_prior_and_the_others_share_the_rest() -> None:
    logits = np.log(np.array([[3.0, 1.0, 99.0]], dtype=np.float32))
    prior = np.array([[0.1, 0.5, 0.4]], dtype=np.float32)
    found = mix_with_prior(logits, prior, np.array([True, True, False]), multiple=False)
    assert found[0].tolist() == pytest.approx([0.45, 0.15, 0.4])


def test_several_labels_a_photo_are_independent() -> None:
    logits = np.array([[0.0, 2.0, 50.0]], dtype=np.float32)
    prior = np.array([[0.9, 0.9, 0.2]], dtype=np.float32)
    found = mix_with_prior(logits, prior, np.array([True, True, False]), multiple=True)
    assert found[0].tolist() == pytest.approx([0.5, expit(2.0), 0.2])


@given(st.integers(0, 500), st.booleans(), st.booleans())
def test_probabilities_are_probabilities(seed: int, hidden: bool, with_prior: bool) -> None:
    head = some_head(seed, hidden=hidden)
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(7, 8)).astype(np.float16)
    prior = rng.dirichlet(np.ones(4), 7).astype(np.float32) if with_prior else None
    found = head.predict(embeddings, prior)
    assert found.dtype == np.float32
    assert np.all((found >= 0) & (found <= 1))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    expected = prior[:, 2] if prior is not None else np.full(7, 0.1)
    np.testing.assert_allclose(found[:, 2], expected, atol=1e-6)


def test_temperature_changes_confidence_not_order() -> None:
    embeddings = np.random.default_rng(1).normal(size=(20, 8))
    head = some_head()
    sharp, soft = replace(head, temperature=0.5).predict(embeddings), replace(head, temperature=5.0).predict(embeddings)
    trained = head.annotated
    assert np.array_equal(sharp[:, trained].argsort(axis=1), soft[:, trained].argsort(axis=1))
    assert sharp[:, trained].max() > soft[:, trained].max()


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("multiple", [False, True])
def test_saved_and_loaded_it_predicts_the_same(tmp_path: Path, hidden: bool, multiple: bool) -> None:
    head = some_head(hidden=hidden, multiple=multiple)
    embeddings = np.random.default_rng(2).normal(size=(9, 8)).astype(np.float16)
    digest = head.save(tmp_path / "v1")
    loaded = Head.load(tmp_path / "v1")
    assert np.array_equal(loaded.predict(embeddings), head.predict(embeddings))
    assert loaded.report == head.report
    assert json.loads((tmp_path / "v1" / "head.json").read_text())["weights_sha256"] == digest
    assert [path.name for path in tmp_path.iterdir()] == ["v1"]  # no temporary folder is left


def test_saving_again_replaces_the_folder_whole(tmp_path: Path) -> None:
    embeddings = np.random.default_rng(2).normal(size=(3, 8))
    some_head(0).save(tmp_path / "v1")
    some_head(1).save(tmp_path / "v1")
    assert np.array_equal(Head.load(tmp_path / "v1").predict(embeddings), some_head(1).predict(embeddings))
    assert [path.name for path in tmp_path.iterdir()] == ["v1"]


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "v1"
    with pytest.raises(BackendError, match="v1: no trained head here") as missing:
        Head.load(folder)
    assert missing.value.reason == "artifact_missing"
    some_head().save(folder)
    weights = (folder / "weights.npz").read_bytes()
    (folder / "weights.npz").write_bytes(weights[:-1])
    with pytest.raises(BackendError, match=r"weights\.npz is not the file") as damaged:
        Head.load(folder)
    assert damaged.value.reason == "artifact_damaged"
    (folder / "weights.npz").write_bytes(weights)
    (folder / "head.json").write_text("{")
    with pytest.raises(BackendError, match="not JSON"):
        Head.load(folder)
    (folder / "head.json").write_text("[]")
    with pytest.raises(BackendError, match="damaged"):
        Head.load(folder)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the transform takes \[n, 8\]"):
        some_head().predict(np.ones((2, 9)))
    with pytest.raises(ValueError, match="the prior has shape"):
        some_head().predict(np.ones((2, 8)), np.ones((2, 3), dtype=np.float32))


def test_transform_followed_by_a_matrix_is_both() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(30, 8)).astype(np.float32)
    transform = fit_whitening(embeddings, components=4)
    matrix = rng.normal(size=(4, 2)).astype(np.float32)
    both = transform.then(matrix).apply(embeddings)
    one_by_one = (embeddings - transform.mean) @ transform.matrix @ matrix
    np.testing.assert_allclose(both, one_by_one / np.linalg.norm(one_by_one, axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, atol=1e-5)


def test_a_head_follows_its_labels_and_serves_no_others() -> None:
    rng = np.random.default_rng(5)
    layers = HeadLayers(rng.standard_normal((4, 3)).astype(np.float32), rng.standard_normal(3).astype(np.float32))
    transform = FeatureTransform(np.zeros(4, dtype=np.float32))
    made = Head("linear", transform, layers, np.array([True, False, True]), np.array([0, 0.2, 0], np.float32))
    head = replace(made, labels=("a", "b", "c"))
    photos = rng.standard_normal((6, 4)).astype(np.float32)
    turned = head.for_labels(("c", "a", "b"))
    assert turned is not None
    np.testing.assert_allclose(turned.predict(photos), head.predict(photos)[:, [2, 0, 1]], rtol=1e-6)
    assert head.for_labels(("a", "b", "c")) is head
    assert head.for_labels(("a", "b", "d")) is None
    assert head.for_labels(("a", "b")) is None
    assert made.for_labels(("x", "y", "z")) is made  # of an earlier release: nothing is known but their number
    assert made.for_labels(("x", "y")) is None
