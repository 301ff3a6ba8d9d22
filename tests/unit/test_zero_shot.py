"""What is said of photos before any annotation, against the backbone and the label space asked one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from backend import zero_shot as zero_shot_module
from backend.features import Backbone, open_backbone
from backend.labels import LabelSpace, WordNet, class_weights, parse_label_config, relevance_mass
from backend.zero_shot import pool_weights, zero_shot
from tests.unit.labels.conftest import wordnet

__all__ = ["wordnet"]

pytestmark = pytest.mark.unit

CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="what" toName="image">'
    '<Choice value="dog"/><Choice value="cup"/><Choice value="Not relevant"/></Choices></View>'
)


@pytest.fixture(scope="module")
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return open_backbone("efficientnet_lite0", models_dir=request.config.rootpath / ".cache" / "models")


@pytest.fixture(scope="module")
def space(wordnet: WordNet) -> LabelSpace:
    return LabelSpace(parse_label_config(CONFIG).controls[0], wordnet)


def embeddings(n: int, width: int) -> Any:
    return np.abs(np.random.default_rng(0).normal(size=(n, width))).astype(np.float16)


def test_it_is_what_backbone_and_labels_say_whatever_the_chunks(
    backbone: Backbone, space: LabelSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = embeddings(10, backbone.spec.embedding_dim)
    monkeypatch.setattr(zero_shot_module, "CHUNK", 4)
    weights = pool_weights(backbone, photos)
    known = zero_shot(backbone, [space, space], photos, ["tennis"], space.wordnet, weights=weights, top=3)
    probabilities = softmax(backbone.imagenet_logits(photos), axis=1)
    assert weights == pytest.approx(class_weights(probabilities), rel=1e-4)
    assert len(known.crowd_priors) == 2
    for prior in known.crowd_priors:
        np.testing.assert_allclose(prior, space.prior(probabilities, weights), atol=1e-6)
    for prior in known.priors:
        np.testing.assert_allclose(prior, space.prior(probabilities), atol=1e-6)
    assert known.relevance is not None
    np.testing.assert_allclose(known.relevance, relevance_mass(["tennis"], probabilities, space.wordnet), atol=1e-6)
    assert known.top[:, 0].tolist() == probabilities.argmax(axis=1).tolist()
    assert known.top.shape == (10, 3)
    assert ((known.unknown > 0) & (known.unknown < 1)).all()


def test_no_photo_and_no_roots(backbone: Backbone, space: LabelSpace) -> None:
    nothing = embeddings(0, backbone.spec.embedding_dim)
    known = zero_shot(backbone, [space], nothing)
    assert known.crowd_priors == []
    assert zero_shot(backbone, [space], nothing, weights=pool_weights(backbone, nothing)).crowd_priors[0].shape == (
        0,
        3,
    )
    assert (known.priors[0].shape, known.unknown.shape, known.relevance, known.top.shape) == (
        (0, 3),
        (0,),
        None,
        (0, 0),
    )


def test_a_large_pool_is_weighed_by_photos_from_all_of_it(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    half = embeddings(1, backbone.spec.embedding_dim)
    photos = np.concatenate([np.repeat(half, 40, axis=0), np.repeat(half[:, ::-1], 40, axis=0)])
    whole = pool_weights(backbone, photos)
    monkeypatch.setattr(zero_shot_module, "WEIGHED_ON", 8)
    assert zero_shot_module.pool_weights(backbone, photos[[0, 1, 2, 3, 40, 41, 42, 43]]) == pytest.approx(
        pool_weights(backbone, photos), rel=1e-4
    )
    assert whole is not None
