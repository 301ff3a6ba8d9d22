from __future__ import annotations

import pytest

from backend.errors import ImageError, LabelConfigError
from backend.labels import parse_label_config
from tests.unit.labels.configs import choices, choices_xml, taxonomy

pytestmark = pytest.mark.unit


def test_choices_give_their_names_in_order() -> None:
    control = choices(["tennis", "golf & co"])
    assert (control.from_name, control.to_name, control.kind, control.data_key) == ("kind", "image", "choices", "image")
    assert [label.value for label in control.labels] == ["tennis", "golf & co"]
    assert not control.multiple
    assert choices(["a"], 'choice="multiple"').multiple


def test_alias_is_stored_and_the_value_is_shown() -> None:
    xml = choices_xml([]).replace("</Choices>", '<Choice value="Tennis" alias="t1" synset="n00482298"/></Choices>')
    label = parse_label_config(xml).controls[0].labels[0]
    assert (label.value, label.path, label.title, label.synsets) == ("t1", ("t1",), "Tennis", ("n00482298",))


def test_taxonomy_keeps_equal_leaf_names_apart() -> None:
    inner = (
        '<Choice value="Court"><Choice value="Other"/><Choice value="Tennis"/></Choice>'
        '<Choice value="Field"><Choice value="Other"/></Choice>'
    )
    control = taxonomy(inner)
    assert [label.path for label in control.labels] == [("Court", "Other"), ("Court", "Tennis"), ("Field", "Other")]
    assert [label.value for label in control.labels] == ["Court/Other", "Court/Tennis", "Field/Other"]
    assert not control.multiple
    assert taxonomy(inner, "").multiple


def test_a_slash_in_a_name_cannot_imitate_a_path() -> None:
    control = taxonomy(
        '<Choice value="a/b"><Choice value="c"/></Choice><Choice value="a"><Choice value="b/c"/></Choice>'
    )
    assert len({label.value for label in control.labels}) == 2


def test_nested_choices_are_stored_as_paths_only_with_allow_nested() -> None:
    inner = '<Choice value="Racket"><Choice value="Tennis"/><Choice value="Squash"/></Choice><Choice value="Golf"/>'
    plain = parse_label_config(choices_xml([]).replace("</Choices>", inner + "</Choices>")).controls[0]
    nested = parse_label_config(
        choices_xml([], 'allowNested="true"').replace("</Choices>", inner + "</Choices>")
    ).controls[0]
    assert [label.value for label in plain.labels] == ["Tennis", "Squash", "Golf"]
    assert plain.result([0], 0.5)["value"] == {"choices": ["Tennis"]}
    assert nested.result([0], 0.5)["value"] == {"choices": [["Racket", "Tennis"]]}
    assert nested.read([nested.result([1], 0.5)]) == (1,)


def test_a_view_with_a_header_is_a_branch_of_flat_choices() -> None:
    inner = (
        '<View><Header value="Ball games"/><View><Header value="Court"/><Choice value="Tennis"/></View>'
        '<Choice value="Golf"/></View><View><Choice value="Judo"/></View><View><Header value="$title"/><Choice value="Polo"/></View>'
    )
    control = parse_label_config(choices_xml([]).replace("</Choices>", inner + "</Choices>")).controls[0]
    assert [(label.title, label.branch) for label in control.labels] == [
        ("Tennis", ("Ball games", "Court")),
        ("Golf", ("Ball games",)),
        ("Judo", ()),
        ("Polo", ()),
    ]
    stored = control.result([0], 0.5)
    assert stored["value"] == {"choices": ["Tennis"]}
    assert control.read([stored]) == (0,)


def test_several_controls_images_and_any_names() -> None:
    config = parse_label_config(
        '<View><Image name="left" value="$a"/><View><Image name="right" value="$b.url"/></View><Text name="t" value="$t"/>'
        '<Choices name="x-1" toName="right"><View><Choice value="q"/></View></Choices>'
        '<Taxonomy name="y" toName="left"><Choice value="r"/></Taxonomy>'
        '<Choices name="of-text" toName="t"><Choice value="no"/></Choices>'
        '<Choices name="of-region" toName="left" perRegion="true"><Choice value="no"/></Choices></View>'
    )
    # A photo is looked at once: what is said of another image of the same task would be guessed from the wrong one.
    assert [(c.from_name, c.data_key) for c in config.controls] == [("x-1", "b.url")]
    of_text, of_region, of_other_image = config.left_out
    assert "'of-text'" in of_text
    assert "'of-region'" in of_region
    assert "'y'" in of_other_image
    assert "$b.url" in of_other_image


def test_image_key_names_what_is_missing() -> None:
    config = parse_label_config(choices_xml(["a"]))
    assert config.image_key({"image": "x.jpg", "other": 1}) == "image"
    assert config.image_key({"$undefined$": "x.jpg"}) == "$undefined$"
    with pytest.raises(ImageError, match=r"'image'.*picture") as caught:
        config.image_key({"picture": "x.jpg"})
    assert caught.value.reason == "no_image"


def test_dynamic_labels_come_from_the_task() -> None:
    config = parse_label_config(choices_xml(["golf"], 'value="$options"'))
    assert config.controls[0].dynamic_key == "options"
    grown = config.with_task({"options": ["tennis", {"value": "Polo", "alias": "p"}, 7, {"value": ""}, "golf"]})
    assert [label.value for label in grown.controls[0].labels] == ["golf", "tennis", "p"]
    assert grown.with_task({}) == grown
    assert config.with_task({"options": "tennis"}) == config


def test_not_relevant_labels_are_known_by_name_or_attribute() -> None:
    names = ["Not relevant", "not_relevant", "Irrelevant", "Other", "Golf", "Otherworldly"]
    assert [label.relevant for label in choices(names).labels] == [False, False, False, False, True, True]
    control = taxonomy(
        '<Choice value="Junk food"/><Choice value="Bin" relevant="false"/><Choice value="Other" relevant="true"/>'
    )
    assert [label.relevant for label in control.labels] == [True, False, True]


@pytest.mark.parametrize(
    ("xml", "reason", "words"),
    [
        ("<View><Image name='i' value='$i'/></View>", "no_image_choice", "neither a Choices nor a Taxonomy"),
        (
            "<View><Image name='i' value='$i'/><RectangleLabels name='b' toName='i'><Label value='x'/></RectangleLabels>"
            "<!-- boxes --></View>",
            "no_image_choice",
            "only <RectangleLabels>",
        ),
        (
            "<View><Text name='t' value='$t'/><Choices name='c' toName='t'><Choice value='a'/></Choices></View>",
            "no_image_choice",
            "no Image tag",
        ),
        ("<View><Image name='i' value='$i'/><Choices name='c' toName='i'/></View>", "no_image_choice", "has no Choice"),
        ("<View><Image name='i'", "malformed_xml", "not valid XML"),
        ("", "malformed_xml", "not valid XML"),
        ('<!DOCTYPE v [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><View>&b;</View>', "unsafe_xml", "DOCTYPE"),
        ('<!DOCTYPE v SYSTEM "file:///etc/passwd"><View/>', "unsafe_xml", "DOCTYPE"),
        ("<View>" * 200 + "</View>" * 200, "too_deep", "deeper"),
    ],
)
def test_unusable_configs_say_what_is_wrong(xml: str, reason: str, words: str) -> None:
    with pytest.raises(LabelConfigError, match=words) as caught:
        parse_label_config(xml)
    assert caught.value.reason == reason


def test_two_controls_of_one_name_are_refused() -> None:
    twice = choices_xml(["a"]).replace(
        "</View>", '<Choices name="kind" toName="image"><Choice value="b"/></Choices></View>'
    )
    with pytest.raises(LabelConfigError, match="kind"):
        parse_label_config(twice)
