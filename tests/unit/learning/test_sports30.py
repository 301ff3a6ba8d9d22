"""Heads on real photos: against the zero-annotation labels, and against poisoned annotations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest

from backend.features import BACKBONES, open_backbone
from backend.images import decode_rgb
from backend.labels import LabelSpace, WordNet, ensure_wordnet, parse_label_config
from backend.learning.evaluation import evaluate, photo_scores
from backend.learning.head import Head, train_head
from backend.learning.promotion import Disagreement, Outcome

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).resolve().parents[3]
PHOTOS = REPOSITORY / ".." / "shared" / "images" / "sports30"
TRAINED, HELD_OUT = 3, 5


@dataclass(frozen=True)
class Photos:
    """Embeddings [n, d], zero-annotation probabilities [n, L] and targets [n, L]."""

    embeddings: np.ndarray
    prior: np.ndarray
    targets: np.ndarray


@pytest.fixture(scope="module")
def photos() -> dict[str, Photos]:
    """Three photos a class to learn from and five to be judged by."""
    if not PHOTOS.is_dir():
        pytest.skip("the shared photographs are not here")
    folders = sorted(path for path in PHOTOS.iterdir() if path.is_dir())
    choices = "".join(f"<Choice value={quoteattr(folder.name)}/>" for folder in folders)
    config = f'<View><Image name="i" value="$image"/><Choices name="c" toName="i">{choices}</Choices></View>'
    corpus = REPOSITORY / ".state" / "wordnet"
    ensure_wordnet(corpus)
    space = LabelSpace(parse_label_config(config).controls[0], WordNet.open(corpus))
    backbone = open_backbone("efficientnet_lite0", models_dir=REPOSITORY / ".cache" / "models")
    spec = BACKBONES["efficientnet_lite0"]
    images = np.stack(
        [
            decode_rgb(path.read_bytes(), (spec.input_size, spec.input_size), fit=spec.fit)
            for folder in folders
            for path in sorted(folder.glob("*.jpg"))[: TRAINED + HELD_OUT]
        ]
    )
    embeddings = backbone.embed(images)
    logits = backbone.imagenet_logits(embeddings)
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    prior = space.prior(exponents / exponents.sum(axis=1, keepdims=True))
    targets = np.eye(len(folders), dtype=np.float32)[np.repeat(np.arange(len(folders)), TRAINED + HELD_OUT)]
    trained = np.tile(np.arange(TRAINED + HELD_OUT) < TRAINED, len(folders))
    return {
        name: Photos(embeddings[rows], prior[rows], targets[rows])
        for name, rows in (("trained", trained), ("held_out", ~trained))
    }


@pytest.fixture(scope="module")
def head(photos: dict[str, Photos]) -> Head:
    return train_head(photos["trained"].embeddings, photos["trained"].targets, prior=photos["trained"].prior)


def test_three_photos_a_class_beat_the_zero_annotation_labels(photos: dict[str, Photos], head: Head) -> None:
    unseen = photos["held_out"]
    trained = evaluate(head.predict(unseen.embeddings, unseen.prior), unseen.targets)
    zero = evaluate(unseen.prior, unseen.targets)
    assert trained.accuracy_low > zero.accuracy_high
    assert trained.accuracy > 0.6
    assert trained.calibration_error < 0.15


def test_poisoned_annotations_are_not_promoted(photos: dict[str, Photos], head: Head) -> None:
    known, unseen = photos["trained"], photos["held_out"]
    poisoned = train_head(known.embeddings, np.roll(known.targets, 1, axis=1))
    right, wrong = (
        photo_scores(version.predict(unseen.embeddings), unseen.targets) > 0.5 for version in (head, poisoned)
    )
    compared = Disagreement(
        "v2",
        "v1",
        len(unseen.targets),
        int((right != wrong).sum()),
        better=int((wrong & ~right).sum()),
        worse=int((right & ~wrong).sum()),
    )
    assert compared.outcome() is Outcome.KEEP
    assert "v2 is not promoted" in compared.sentence(Outcome.KEEP)
    assert compared.probability < 0.001


def test_half_the_labels_annotated_leaves_the_others_their_prior(photos: dict[str, Photos]) -> None:
    known, unseen = photos["trained"], photos["held_out"]
    labels = known.targets.shape[1]
    rows = known.targets.argmax(axis=1) < labels // 2
    half = train_head(known.embeddings[rows], known.targets[rows], prior=known.prior[rows])
    found = half.predict(unseen.embeddings, unseen.prior)
    np.testing.assert_allclose(found[:, labels // 2 :], unseen.prior[:, labels // 2 :], atol=1e-6)
    assert evaluate(found, unseen.targets).accuracy > evaluate(unseen.prior, unseen.targets).accuracy
