from __future__ import annotations

from pathlib import Path

import pytest
from label_studio_sdk.label_interface import LabelInterface

from backend.labels import LabelSpace, WordNet, parse_label_config
from backend.labels.association import Associations, activity_links
from tests.unit.labels.conftest import REPOSITORY

pytestmark = pytest.mark.unit

CONFIGS = (REPOSITORY / "label_config.xml", *sorted((REPOSITORY / "examples").glob("*.xml")))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configs_are_valid_and_mean_something(path: Path, wordnet: WordNet) -> None:
    xml = path.read_text(encoding="utf-8")
    LabelInterface(xml).validate()
    control = parse_label_config(xml).controls[0]
    space = LabelSpace(control, wordnet)  # resolves every synset attribute, or raises
    assert all(synsets for synsets, label in zip(space.synsets, control.labels, strict=True) if label.relevant)
    relevant = ~space.irrelevant
    assert space.supported[relevant].mean() > 0.9


def test_the_default_config_has_sixty_sports_with_their_synsets(wordnet: WordNet) -> None:
    control = parse_label_config((REPOSITORY / "label_config.xml").read_text(encoding="utf-8")).controls[0]
    sports = [label for label in control.labels if label.relevant]
    assert len(sports) >= 60
    assert all(synset == wordnet.resolve(synset) for label in sports for synset in label.synsets)
    assert all(label.synsets and label.branch for label in sports)
    assert [label.title for label in control.labels if not label.relevant] == ["Not relevant"]
    assert not control.multiple


def test_every_activity_link_leads_to_imagenet(wordnet: WordNet, associations: Associations) -> None:
    rows = activity_links()
    activities = [wordnet.resolve(activity) for activity, _, _ in rows]
    assert len(activities) == len(set(activities)) > 100
    for activity, used, around in rows:
        assert used or around, activity
        for synset in (*used, *around):
            assert associations.below(wordnet.resolve(synset)).any(), f"{activity}: {synset}"
