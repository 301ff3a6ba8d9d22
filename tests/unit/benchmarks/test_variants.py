"""The benchmark of kinds of projects draws what it says, and compares what was played."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.features import open_backbone
from backend.labels import WordNet, ensure_wordnet
from backend.simulation.engine import play
from backend.simulation.photos import DISTRACTOR, Photos
from benchmarks.first_labels import Embedded
from benchmarks.variants import Curves, Variant, curve_of, draw, paired, played, table

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).resolve().parents[3]

SPORTS = ("basketball", "boxing", "judo", "rowing", "sumo_wrestling", "swimming", "tennis", "volleyball")
EVEN = ("basketball", "judo", "sumo wrestling", "tennis")


@pytest.fixture(scope="module")
def embedded() -> Embedded:
    folder = REPOSITORY / ".state" / "wordnet"
    ensure_wordnet(folder)
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(SPORTS)), 24)
    vectors = np.maximum(rng.normal(size=(len(SPORTS), 1280))[labels] + rng.normal(size=(labels.size, 1280)), 0)
    photos = Photos(vectors.astype(np.float16), labels, tuple(f"{row:04d}" for row in range(labels.size)))
    others = Photos(
        np.maximum(rng.normal(size=(9, 1280)), 0).astype(np.float16),
        np.full(9, DISTRACTOR),
        tuple(f"x{row}" for row in range(9)),
    )
    backbone = open_backbone("efficientnet_lite0", models_dir=REPOSITORY / ".cache" / "models")
    return Embedded(photos, SPORTS, others, backbone, WordNet.open(folder))


def test_a_variant_is_its_name() -> None:
    variant = Variant.parsed("20x50-zipf-prior")
    assert variant == Variant(20, 50, zipf=True, prior=True)
    assert str(variant) == "20x50-zipf-prior"
    assert Variant.parsed("5x20-crowds20") == Variant(5, 20, strangers=20, crowds=True)
    assert str(Variant(5, 20, strangers=70)) == "5x20-strangers70"


@pytest.mark.parametrize("name", ["20", "20x", "axb", "20x50-balanced", "20x50-strangers100"])
def test_what_is_no_variant_is_named(name: str) -> None:
    with pytest.raises(SystemExit, match=name):
        Variant.parsed(name)


def test_a_balanced_draw_has_as_many_photos_of_each_class_of_the_half(embedded: Embedded) -> None:
    setting = draw(embedded, Variant(3, 8), "even", seed=1, batch=5)
    assert len(setting.classes) == 3
    assert set(setting.classes) <= set(EVEN)
    assert np.bincount(setting.pool.labels).tolist() == [8, 8, 8]
    assert np.bincount(setting.test.labels).tolist() == [16, 16, 16]
    assert not set(setting.pool.digests) & set(setting.test.digests)
    assert setting.pool.prior is None


def test_zipfs_classes_have_photos_by_their_rank_and_as_many_to_test(embedded: Embedded) -> None:
    setting = draw(embedded, Variant(4, 12, zipf=True), "odd", seed=0, batch=5)
    assert sorted(np.bincount(setting.pool.labels).tolist()) == [3, 4, 6, 12]
    assert np.bincount(setting.test.labels).tolist() == [12] * 4


def test_most_of_a_mixture_does_not_belong(embedded: Embedded) -> None:
    setting = draw(embedded, Variant(2, 8, strangers=70, prior=True), "even", seed=0, batch=5)
    stranger = setting.pool.labels == DISTRACTOR
    assert stranger.sum() == 37
    assert sum(digest.startswith("x") for digest in setting.pool.digests) == 9
    assert setting.pool.prior is not None
    assert setting.pool.prior.shape == (53, 3)


def test_crowds_are_of_the_other_half(embedded: Embedded) -> None:
    setting = draw(embedded, Variant(2, 8, strangers=50, crowds=True), "even", seed=0, batch=5)
    strange = [digest for digest, label in zip(setting.pool.digests, setting.pool.labels, strict=True) if label < 0]
    assert len(strange) == 16
    assert all(int(digest) // 24 % 2 == 1 for digest in strange)
    for mark, figures in curve_of(play(setting, "random", 0), len(setting.pool)).items():
        assert figures[2] * mark == pytest.approx(round(figures[2] * mark))


def test_games_are_read_back_and_compared(embedded: Embedded, tmp_path: Path) -> None:
    setting = draw(embedded, Variant(4, 12), "even", seed=0, batch=10)
    file = tmp_path / "games.jsonl"
    for seed, strategy in enumerate(["default", "random"]):
        curve = curve_of(play(setting, strategy, 0), len(setting.pool))
        game = {"variant": "4x12", "strategy": strategy, "seed": 0, "seconds": 0.5, "curve": curve}
        with file.open("a") as opened:
            opened.write(json.dumps(game) + "\n")
        assert len(played(file)[0]) == seed + 1
    curves, seconds = played(file)
    shown = table(curves, seconds, "4x12", 1)
    assert [column.header for column in shown.columns] == ["strategy", "10", "20", "s a re-rank"]
    assert [str(cell) for cell in shown.columns[0].cells] == ["default", "rises by", "random"]


def test_what_is_ahead_beyond_noise_is_marked() -> None:
    curves: Curves = {}
    for seed in range(3):
        curves["4x9", "default", seed] = {10: (0.9, 0.8, 0.0), 20: (0.88, 0.9, 0.0)}
        curves["4x9", "margin", seed] = {10: (0.91, 0.8, 0.0), 20: (0.86 + 0.02 * seed, 0.9, 0.0)}
    seconds = {("4x9", "default"): [0.1], ("4x9", "margin"): [0.1]}
    rows = list(zip(*(column.cells for column in table(curves, seconds, "4x9", 0).columns), strict=True))
    assert rows[0] == ("default", "0.900", "0.880", "0.10")
    assert rows[1][:3] == ("rises by", "", "-2.0±0.0**")
    assert rows[2][:3] == ("margin", "+1.0±0.0**", "+0.0±1.2")


def test_the_pools_share_counts_answers_as_right(embedded: Embedded) -> None:
    setting = draw(embedded, Variant(4, 12), "even", seed=0, batch=10)
    for mark, (_, right, _) in curve_of(play(setting, "margin", 0), len(setting.pool)).items():
        assert mark / len(setting.pool) <= right <= 1.0


def test_a_single_pair_has_no_error() -> None:
    mean, error = paired([0.5], [0.4])
    assert mean == pytest.approx(10.0)
    assert np.isnan(error)
