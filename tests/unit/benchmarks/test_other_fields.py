"""The benchmark of other fields draws what it says, and measures it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.features import open_backbone
from backend.labels import WordNet, ensure_wordnet
from backend.simulation.photos import DISTRACTOR, Photos
from benchmarks.other_fields import STAGES, Figures, before_any_annotation, draw_labels

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).resolve().parents[3]

# Three dogs, three birds, three ships and a teapot.
DOGS, BIRDS, SHIPS = (
    ["n02099601", "n02106662", "n02110958"],
    ["n01530575", "n01558993", "n01614925"],
    ["n02981792", "n03947888", "n04612504"],
)
SHOWS = [*DOGS, *BIRDS, *SHIPS, "n04398044"]


@pytest.fixture(scope="module")
def wordnet() -> WordNet:
    folder = REPOSITORY / ".state" / "wordnet"
    ensure_wordnet(folder)
    return WordNet.open(folder)


@pytest.mark.parametrize("seed", range(5))
def test_labels_hold_as_many_photos_as_wanted_and_share_none(wordnet: WordNet, seed: int) -> None:
    drawn = draw_labels(SHOWS, wordnet, fewest=3, most=3, seed=seed)
    assert sorted(tuple(rows) for _, rows in drawn) == [(0, 1, 2), (3, 4, 5), (6, 7, 8)]
    assert drawn == draw_labels(SHOWS, wordnet, fewest=3, most=3, seed=seed)


def test_every_stage_is_measured(wordnet: WordNet) -> None:
    rng = np.random.default_rng(0)
    embeddings = np.maximum(rng.normal(size=(len(SHOWS), 1280)), 0).astype(np.float16)
    digests = tuple(f"{row:03d}" for row in range(len(SHOWS)))
    photos = Photos(embeddings, np.full(len(SHOWS), DISTRACTOR), digests)
    backbone = open_backbone("efficientnet_lite0", models_dir=REPOSITORY / ".cache" / "models")
    drawn = draw_labels(SHOWS, wordnet, fewest=3, most=3, seed=0)
    found = before_any_annotation(photos, drawn, backbone, wordnet)
    assert tuple(found) == STAGES
    assert all(1 / 3 <= figures.shown <= 1 for figures in found.values())


def test_figures_are_those_of_the_likeliest_label() -> None:
    beliefs = np.array([[0.95, 0.05], [0.85, 0.15], [0.75, 0.25], [0.35, 0.65]], dtype=np.float32)
    found = Figures.of(beliefs, np.array([0, 0, 1, 1]))
    assert found.right == pytest.approx(0.75)
    assert found.shown == pytest.approx(0.8)
    assert found.error == pytest.approx((0.05 + 0.15 + 0.75 + 0.35) / 4, abs=1e-6)
