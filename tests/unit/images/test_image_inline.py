"""data: URIs."""

from __future__ import annotations

import base64
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import ImageError
from backend.images import ImageFetcher, ImagePolicy, sha256_digest
from backend.images.inline import decode_data_uri

pytestmark = pytest.mark.unit


@given(st.binary(max_size=200), st.sampled_from(["image/png", "image/svg+xml;charset=utf-8", ""]))
def test_any_bytes_survive_both_encodings(content: bytes, media: str) -> None:
    plain = base64.b64encode(content).decode()
    urlsafe = base64.urlsafe_b64encode(content).decode().rstrip("=")
    for payload in (plain, quote_from_bytes(plain.encode(), safe=""), urlsafe, "\n ".join(plain)):
        assert decode_data_uri(f"data:{media};base64,{payload}", 200) == content
    assert decode_data_uri(f"data:{media},{quote_from_bytes(content)}", 200) == content


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 1002, 5000])
@pytest.mark.parametrize("encoded", [True, False])
def test_the_cap_counts_decoded_bytes(size: int, encoded: bool) -> None:
    content = b"\xff" * size
    value = (
        "data:image/png;base64," + base64.b64encode(content).decode()
        if encoded
        else "data:," + quote_from_bytes(content)
    )
    if size <= 1000:
        assert decode_data_uri(value, 1000) == content
    else:
        with pytest.raises(ImageError) as caught:
            decode_data_uri(value, 1000)
        assert caught.value.reason == "too_large"


@pytest.mark.parametrize("value", ["data:image/png;base64", "data:;base64,a", "data:;base64,ab!d", "data:;base64,ä"])
def test_malformed_ones_are_errors(value: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode_data_uri(value, 1000)
    assert caught.value.reason == "unreadable"


def test_the_fetcher_reads_them_and_keeps_them_out_of_messages(png: bytes) -> None:
    value = "DATA:image/png;base64," + base64.b64encode(png).decode()
    with ImageFetcher(ImagePolicy()) as fetcher:
        assert fetcher.fetch(f" {value}\n") == png
    with ImageFetcher(ImagePolicy(max_bytes=10)) as fetcher, pytest.raises(ImageError) as caught:
        fetcher.fetch(value)
    assert str(caught.value).startswith(f"data: URI of {len(value)} characters: larger than 10 bytes")


def test_digest_is_sha256() -> None:
    assert sha256_digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
