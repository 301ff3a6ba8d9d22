"""The benchmark of the headline figure in several kinds of project makes the projects that it names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.features import open_backbone
from backend.labels import WordNet, ensure_wordnet
from backend.simulation.photos import DISTRACTOR, Photos
from benchmarks.accuracy_interval import Measurement
from benchmarks.accuracy_projects import Kind, project, row
from benchmarks.first_labels import Embedded

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).resolve().parents[3]
SPORTS = ("basketball", "boxing", "judo", "rowing", "swimming", "tennis")


@pytest.fixture(scope="module")
def embedded() -> Embedded:
    folder = REPOSITORY / ".state" / "wordnet"
    ensure_wordnet(folder)
    backbone = open_backbone("efficientnet_lite0", models_dir=REPOSITORY / ".cache" / "models")
    rng = np.random.default_rng(0)
    pixels = np.maximum(rng.normal(size=(len(SPORTS) * 12 + 9, 1280)), 0).astype(np.float16)
    names = tuple(f"{number:04d}" for number in range(len(pixels)))
    labels = np.r_[np.repeat(np.arange(len(SPORTS)), 12), np.full(9, DISTRACTOR)]
    photos = Photos(pixels, labels, names)
    return Embedded(
        photos.take(np.flatnonzero(labels >= 0)),
        SPORTS,
        photos.take(np.flatnonzero(labels < 0)),
        backbone,
        WordNet.open(folder),
    )


def test_strangers_and_labels_that_no_photo_shows(embedded: Embedded) -> None:
    setting = project(embedded, Kind("sports", 3, 10, strangers=4, absent=True), 1)
    assert setting.classes[:3] == ("boxing", "rowing", "tennis")
    assert "Tennis" not in setting.classes
    assert setting.n_labels > 80
    assert np.bincount(setting.pool.labels + 1)[:4].tolist() == [4, 10, 10, 10]


def test_wrong_answers_mixed_photos_and_labels_without_a_prior(embedded: Embedded) -> None:
    plain = project(embedded, Kind("plain", 3, 12, named=False), 0)
    assert plain.pool.prior is not None
    assert np.allclose(plain.pool.prior, 1 / 3, atol=1e-3)
    wrong = project(embedded, Kind("plain", 3, 12, named=False, wrong=0.5), 0)
    changed = (wrong.pool.labels != plain.pool.labels).mean()
    assert 0.1 < changed < 0.6
    mixed = project(embedded, Kind("plain", 3, 12, named=False, mixed=1.0), 0)
    assert mixed.pool.labels.tolist() == plain.pool.labels.tolist()
    assert not np.allclose(mixed.pool.embeddings, plain.pool.embeddings)


def test_a_row_says_how_far_the_figure_is_off() -> None:
    one = Measurement(0.8, 0.9, 0.7, 1.0, 0.5, 1.0, 0, 0, 0, 0)
    two = Measurement(0.8, 0.72, 0.67, 0.77, 0.2, 0.7, 0, 0, 0, 0)
    unknown = Measurement(0.1, *[float("nan")] * 9)
    assert row([one, two, unknown]) == ["0.800", "+0.010", "0.091", "1 of 2", "0.100", "1 of 2, 0.250"]
