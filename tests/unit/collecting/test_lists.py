from __future__ import annotations

import pytest

from backend.collecting import ListedPhoto, read_list
from backend.collecting.lists import decoded_list, folder_name
from backend.errors import BackendError

pytestmark = pytest.mark.unit

ONE, TWO = "http://a/1.jpg", "http://a/2.jpg"


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (f"{ONE}\n# no\n\n{TWO}\n{ONE}\n", ("", "")),
        (f"url\n{ONE}\n{TWO}", ("", "")),
        (f"class;url\nfox;{ONE}\n;{TWO}\n", ("fox", "")),
        (f'Category,width,URL\n"red, fox",3,{ONE}\nhare,4,{TWO}\n', ("red, fox", "hare")),
        (f"{ONE},fox\n{TWO},hare\n", ("fox", "hare")),
        (f"{ONE}\tred fox\n{TWO}\thare\n", ("red fox", "hare")),
        (f"n02084071_12\t{ONE}\r\nn02084071 {TWO}\r\n", ("n02084071", "n02084071")),
    ],
)
def test_the_forms_that_lists_come_in(text: str, labels: tuple[str, str]) -> None:
    assert read_list(text, "x") == [ListedPhoto(ONE, labels[0]), ListedPhoto(TWO, labels[1])]


def test_addresses_with_commas_stay_whole() -> None:
    urls = ["http://a/c_fill,w_100/1.jpg", "http://a/c_fill,w_100/2.jpg"]
    assert [item.url for item in read_list("\n".join(urls), "x")] == urls


def test_a_list_that_is_none_says_so() -> None:
    with pytest.raises(BackendError, match="x: no column url; it has: name, class"):
        read_list("name,class\na,b\n", "x")
    with pytest.raises(BackendError, match=r"empty\.txt: no addresses"):
        read_list("\n#\n", "empty.txt")


def test_old_lists_are_windows_1252() -> None:
    assert decoded_list("http://a/f\xfc.jpg".encode("cp1252")) == "http://a/f\xfc.jpg"
    assert decoded_list("\ufeffhttp://a/f\xfc.jpg".encode()) == "http://a/f\xfc.jpg"


@pytest.mark.parametrize("label", ["../..", "..", "a/b\\c", "/etc", ".hidden", "C:x", "", "\x00"])
def test_a_class_never_names_a_folder_elsewhere(label: str) -> None:
    name = folder_name(label)
    assert name
    assert name[0] != "."
    assert not set(name) & set("/\\:\x00")
