from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import WordNetError
from backend.labels import LabelSpace, WordNet, imagenet, parse_label_config
from backend.labels.association import Evidence
from backend.labels.prior import BACKGROUND, blend_unexplained, class_posterior
from backend.labels.senses import label_meanings
from tests.unit.labels.configs import choices, taxonomy

pytestmark = pytest.mark.unit


def one_hot(*names: str) -> np.ndarray:
    """A row of ImageNet probabilities for each class, all mass on it."""
    index = {imagenet.name_of(wnid): position for position, wnid in enumerate(imagenet.wnids())}
    return np.eye(imagenet.N_CLASSES, dtype=np.float32)[[index[name] for name in names]]


def chosen(space: LabelSpace, *names: str) -> list[str]:
    return [space.control.labels[row.argmax()].value for row in space.prior(one_hot(*names))]


def test_class_posterior_by_hand() -> None:
    evidence = Evidence(
        claim=np.array([[0.95, 0.0, 0.2], [0.0, 0.0, 0.6]], dtype=np.float32),
        share=np.array([[0.95, 0.0, 0.1], [0.0, 0.0, 0.3]], dtype=np.float32),
    )
    best = 0.6 / (0.6 + BACKGROUND)
    expected = [[0.95 / (0.95 + BACKGROUND), 0.0, best * 0.25], [0.0, 0.0, best * 0.75]]
    np.testing.assert_allclose(class_posterior(evidence), expected, rtol=1e-6)


def test_unexplained_mass_by_hand() -> None:
    mass = np.array([[0.6, 0.0, 0.0, 0.0]], dtype=np.float32)
    supported = np.array([True, False, False, False])
    irrelevant = np.array([False, False, False, True])
    # Shares: supported 0.3, two unsupported 1 each, the irrelevant label as much as those two together.
    expected = np.array([[0.6 + 0.4 * 0.3 / 4.3, 0.4 / 4.3, 0.4 / 4.3, 0.8 / 4.3]])
    np.testing.assert_allclose(blend_unexplained(mass, supported, irrelevant), expected, rtol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_priors_are_distributions_whatever_the_masses(seed: int, n_labels: int) -> None:
    rng = np.random.default_rng(seed)
    share = (rng.random((n_labels, 9)) * (rng.random((n_labels, 9)) > 0.5)).astype(np.float32)
    posterior = class_posterior(Evidence(claim=np.sqrt(share), share=share))
    assert (posterior.sum(axis=0) <= 1.0 + 1e-6).all()
    mass = rng.dirichlet(np.ones(9), 5).astype(np.float32) @ posterior.T
    prior = blend_unexplained(mass, share.any(axis=1), rng.random(n_labels) > 0.7)
    np.testing.assert_allclose(prior.sum(axis=1), 1.0, rtol=1e-5)
    assert (prior >= 0).all()


def test_labels_take_the_classes_below_their_synsets(wordnet: WordNet) -> None:
    space = LabelSpace(choices(["dog", "cat", "vehicle", "gizmotron", "Not relevant"]), wordnet)
    assert chosen(space, "beagle", "Persian cat", "sports car") == ["dog", "cat", "vehicle"]
    assert space.supported.tolist() == [True, True, True, False, False]
    assert space.irrelevant.tolist() == [False, False, False, False, True]
    prior = space.prior(one_hot("beagle", "daisy"))
    assert prior.dtype == np.float32
    np.testing.assert_allclose(prior.sum(axis=1), 1.0, rtol=1e-6)
    assert prior[0, 0] > 0.9
    # A daisy is none of them: the labels that ImageNet cannot tell share the mass, none is certain.
    assert prior[1, 3] == pytest.approx(prior[1, 4])
    assert prior[1].max() < 0.5
    assert space.flat_prior(2).tolist() == [[pytest.approx(0.2)] * 5] * 2


def test_a_general_label_means_the_others(wordnet: WordNet) -> None:
    space = LabelSpace(choices(["animal", "dog"]), wordnet)
    assert chosen(space, "beagle", "zebra") == ["dog", "animal"]
    multiple = LabelSpace(choices(["animal", "dog"], 'choice="multiple"'), wordnet)
    prior = multiple.prior(one_hot("beagle", "zebra"))
    assert prior[0].min() > 0.9
    assert prior[1].tolist() == pytest.approx([0.95, 0.0], abs=0.01)


def test_activities_are_seen_through_what_they_use(wordnet: WordNet) -> None:
    space = LabelSpace(choices(["archery", "weightlifting", "ice hockey", "sailing", "mountaineering"]), wordnet)
    seen = chosen(space, "bow", "barbell", "puck", "trimaran", "alp")
    assert seen == ["archery", "weightlifting", "ice hockey", "sailing", "mountaineering"]


def test_a_label_is_depicted_where_classes_of_imagenet_are_kinds_of_it(wordnet: WordNet) -> None:
    titles = ["dog", "bird", "tennis", "water skiing", "Not relevant", "no word at all"]
    space = LabelSpace(choices(titles), wordnet)
    assert space.depicted.tolist() == [True, True, False, False, False, False]
    assert space.supported[2]  # its ball is seen, the game is not


def test_the_other_labels_decide_the_sense(wordnet: WordNet) -> None:
    def sense(*titles: str) -> str:
        return wordnet.gloss(label_meanings(choices(titles).labels, wordnet)[0].synsets[0])

    assert "game" in sense("cricket", "tennis", "golf")
    assert "insect" in sense("cricket", "grasshopper", "beetle")
    assert "machine" in sense("crane", "tractor", "bulldozer") or "lifts" in sense("crane", "tractor", "bulldozer")
    assert "bird" in sense("crane", "heron", "stork")
    assert "ice" in sense("hockey", "field hockey", "tennis")


def test_titles_are_read_by_their_head_and_what_modifies_it(wordnet: WordNet) -> None:
    titles = ["harness racing", "snowmobile racing", "parallel bar", "snow_boarding", "jousting", "gizmotron"]
    meanings = label_meanings(choices(titles).labels, wordnet)
    assert wordnet.name(meanings[0].synsets[0]) == "harness race"
    assert meanings[0].exact
    assert wordnet.name(meanings[1].synsets[0]) == "racing"
    assert not meanings[1].exact
    assert [wordnet.name(synset) for synset in meanings[1].modifiers] == ["snowmobile"]
    assert wordnet.name(meanings[2].synsets[0]) == "parallel bars"
    assert wordnet.name(meanings[3].synsets[0]) == "snowboarding"
    assert wordnet.name(meanings[4].synsets[0]) == "joust"
    assert meanings[5].synsets == ()


def test_a_synset_attribute_wins_and_a_wrong_one_is_named(wordnet: WordNet) -> None:
    control = taxonomy('<Choice value="Zebra" synset="n02084071 cat.n.01"/>')
    assert chosen(LabelSpace(control, wordnet), "beagle") == ["Zebra"]
    assert LabelSpace(control, wordnet).synsets == (("n02084071", "n02121620"),)
    with pytest.raises(WordNetError, match="n99999999"):
        LabelSpace(taxonomy('<Choice value="Zebra" synset="n99999999"/>'), wordnet)


def test_a_config_without_labels_yet_has_an_empty_prior(wordnet: WordNet) -> None:
    control = parse_label_config(
        '<View><Image name="i" value="$i"/><Choices name="c" toName="i" value="$options"/></View>'
    ).controls[0]
    space = LabelSpace(control, wordnet)
    assert space.prior(one_hot("beagle")).shape == (1, 0)
    assert space.tree.membership.shape == (0, 0)


def test_labels_of_one_synset_get_the_same_to_the_last_bit(wordnet: WordNet) -> None:
    """Which of them is named must not hang on rounding, that is on how many photos are worked out at once."""
    others = (
        "dog cat bird fish tree car boat chair table ball horse cow house train flower bear bottle phone hat shoe bread"
    )
    names = ["speedway racing", *others.split()[:10], "formula 1 racing", *others.split()[10:], "nascar racing"]
    space, alike = LabelSpace(choices(names), wordnet), [0, 11, 23]
    assert len({space.synsets[label] for label in alike}) == 1
    photos = np.random.default_rng(0).dirichlet(np.full(imagenet.N_CLASSES, 0.3), 300).astype(np.float32)
    weights = np.random.default_rng(1).random(imagenet.N_CLASSES).astype(np.float32)
    for count in (1, 7, 20, 50, 100, 150, 300):
        for prior in (space.prior(photos[:count]), space.prior(photos[:count], weights)):
            assert (prior[:, alike] == prior[:, alike[:1]]).all()
