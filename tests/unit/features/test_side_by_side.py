"""A backbone of several networks: one picture, each network's embedding beside the others', one answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.features import BACKBONES, Backbone, build_tuned, choose_backbone, open_backbone
from backend.features.efficientnet_lite import lite
from backend.features.normalise import normalise_parts
from backend.features.spec import BackboneSpec, single
from tests.unit.features.conftest import pictures

pytestmark = [pytest.mark.unit, pytest.mark.long]

NAME = "efficientnet_lite012"


@pytest.fixture(scope="module")
def together(models_dir: Path) -> Backbone:
    return open_backbone(NAME, models_dir=models_dir, precision="fp32")


def test_its_spec_is_one_picture_and_all_widths() -> None:
    spec = BACKBONES[NAME]
    assert (spec.input_size, spec.widths, spec.embedding_dim, spec.cosine_dim) == (224, (1280,) * 3, 3840, 1280)
    assert spec.several
    assert not BACKBONES["efficientnet_lite2"].several
    parts = [BackboneSpec("x", networks, 224) for networks in ((lite(0), lite(1)), (lite(1), lite(0)), (lite(0),))]
    assert len({part.fingerprint() for part in parts}) == 3


def test_each_part_is_what_that_network_gives_alone(together: Backbone, models_dir: Path) -> None:
    images = pictures(224, 2)
    found = together.embed(images).astype(np.float32)
    assert found.shape == (2, 3840)
    logits = []
    for number in range(3):
        spec = single(lite(number, 224))
        weights = choose_backbone(spec.name, models_dir=models_dir).weights
        network = build_tuned(spec, weights, None)
        alone = np.asarray(network.body.predict((images.astype(np.float32) - 127) / 128, verbose=0))
        np.testing.assert_allclose(found[:, number * 1280 : (number + 1) * 1280], alone, atol=5e-3)
        logits.append(alone @ network.kernel + network.bias)
    np.testing.assert_allclose(together.imagenet_logits(together.embed(images)), np.mean(logits, axis=0), atol=0.05)


def test_what_learns_sees_each_part_normalised_and_one_network_as_it_is(together: Backbone, lite2: Backbone) -> None:
    embeddings = together.embed(pictures(224, 2))
    np.testing.assert_array_equal(together.features(embeddings), normalise_parts(embeddings, (1280,) * 3))
    own = lite2.embed(pictures(260, 1))
    assert lite2.features(own) is own


def test_networks_that_want_another_size_or_range_get_the_same_picture() -> None:
    """Random Inception beside a lite: 299 pixels in [-1, 1] for one, 224 in its own range for the other."""
    import keras

    from backend.features.inception_v3 import INCEPTION_V3
    from backend.features.side_by_side import build_network

    spec = BackboneSpec("two", (INCEPTION_V3, lite(0, 224)), 299)
    network = build_network(spec, [None, None])
    assert network.body.output_shape == (None, 2048 + 1280)
    assert network.kernel.shape == (2048 + 1280, 1000)
    pixels = pictures(299, 1).astype(np.float32)
    found = np.asarray(network.body.predict((pixels - spec.mean) / spec.scale, verbose=0))
    smaller = keras.layers.Resizing(224, 224)(pixels)
    for name, want, part in (
        ("inception_v3", (pixels - 127.5) / 127.5, slice(0, 2048)),
        ("efficientnet_lite0", (np.asarray(smaller) - 127) / 128, slice(2048, None)),
    ):
        alone = network.body.get_layer(name).predict(want, verbose=0)
        np.testing.assert_allclose(found[:, part], alone, atol=1e-3)
