"""How much ImageNet classes tell in a pool, and what the weights change in the prior."""

from __future__ import annotations

import numpy as np
import pytest

from backend.labels import LabelSpace, WordNet, class_weights, imagenet
from backend.labels.class_weights import FULL_SAY, IMAGINARY_PHOTOS
from backend.labels.prior import as_much_as
from tests.unit.labels.configs import choices

pytestmark = pytest.mark.unit


def probabilities(n: int, shown: dict[int, float]) -> np.ndarray:
    """Rows float64 [n, 1000] in which these classes have these probabilities, all others share the rest."""
    rest = (1.0 - sum(shown.values())) / (1000 - len(shown))
    rows = np.full((n, 1000), rest)
    for index, probability in shown.items():
        rows[:, index] = probability
    return rows


def index_of(name: str) -> int:
    return [imagenet.name_of(wnid) for wnid in imagenet.wnids()].index(name)


def test_by_hand() -> None:
    weights = class_weights(probabilities(900, {3: 0.5}))
    mean = (900 * 0.5 * 0.5 + 100 * 0.001 * 0.999) / 1000
    assert IMAGINARY_PHOTOS == 100
    assert weights[3] == pytest.approx((FULL_SAY / mean) ** 1.4)
    assert (np.delete(weights, 3) == 1.0).all()


def test_what_is_half_seen_everywhere_tells_nothing_and_what_is_surely_shown_tells_all() -> None:
    everywhere = class_weights(probabilities(1000, {3: 0.3}))
    surely = class_weights(np.concatenate([probabilities(50, {3: 0.999}), probabilities(950, {})]))
    assert everywhere[3] < 0.01
    assert surely[3] == 1.0


def test_few_photos_say_little() -> None:
    weights = [class_weights(probabilities(n, {3: 0.3}))[3] for n in (0, 1, 10, 100, 1000)]
    assert weights[0] == 1.0
    assert weights == sorted(weights, reverse=True)
    assert weights[1] > 0.2


def test_weights_decide_between_labels_and_leave_what_they_explain_together(wordnet: WordNet) -> None:
    space = LabelSpace(choices(["dog", "cat", "Not relevant"]), wordnet)
    dog, cat = index_of("golden retriever"), index_of("tabby")
    seen = probabilities(4, {dog: 0.5, cat: 0.3})
    weights = np.ones(1000, dtype=np.float32)
    plain = space.prior(seen)
    np.testing.assert_allclose(space.prior(seen, weights), plain, atol=1e-6)
    weights[dog] = 0.1
    weighed = space.prior(seen, weights)
    np.testing.assert_allclose(weighed.sum(axis=1), 1.0, rtol=1e-5)
    assert (plain.argmax(axis=1) == 0).all()
    assert (weighed.argmax(axis=1) == 1).all()
    np.testing.assert_allclose(weighed[:, 2], plain[:, 2], atol=1e-6)


def test_where_several_labels_may_hold_each_has_its_own_probability(wordnet: WordNet) -> None:
    config = choices(["dog", "cat"], 'choice="multiple"')
    weights = class_weights(probabilities(100, {index_of("golden retriever"): 0.5}))
    prior = LabelSpace(config, wordnet).prior(probabilities(3, {index_of("golden retriever"): 0.7}), weights)
    assert ((prior >= 0) & (prior <= 1)).all()


def test_a_photo_of_which_nothing_is_explained_stays_so() -> None:
    nothing = np.zeros((2, 3), dtype=np.float32)
    np.testing.assert_array_equal(as_much_as(nothing, nothing), nothing)
