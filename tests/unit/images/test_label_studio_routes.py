"""Only the addresses of Label Studio that give images are asked for with its token."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.errors import ImageError
from backend.images import ImageFetcher, ImagePolicy
from backend.images.label_studio_routes import serves_images
from tests.unit.images.servers import Server

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "target",
    [
        "/data/upload/1/a.png",
        "/data/local-files/?d=a%20b.png",
        "/storage-data/uploaded/?filepath=upload/1/a.png",
        "/tasks/5/resolve/?fileuri=abc",
        "/tasks/5/presign/?fileuri=abc",
        "/projects/5/resolve/?fileuri=abc",
    ],
)
def test_routes_of_images(target: str) -> None:
    assert serves_images(target, "")
    assert serves_images("/label" + target, "/label")
    assert not serves_images(target, "/label")


@pytest.mark.parametrize(
    "target",
    [
        "/api/users/",
        "/user/account",
        "/data/upload/",
        "/data/upload/../../api/users",
        "/data/upload/%2e%2e/%2e%2e/api/users",
        "/data/upload/..%2f..%2fapi/users",
        "/data/upload\\..\\api",
        "/data/uploads/1",
        "/tasks/5/resolves/",
        "/tasks/x/resolve/",
        "/tasks/5/annotations/",
        "//data/upload/1/a.png",
        "/",
        "",
    ],
)
def test_all_else_is_none(target: str) -> None:
    assert not serves_images(target, "")


def test_other_paths_of_its_origin_get_neither_token_nor_exemption(server: Server) -> None:
    policy = ImagePolicy(label_studio_url=server.url, authorization=lambda: "Token secret")
    with ImageFetcher(policy) as fetcher:
        for value in (f"{server.url}/api/users/", "/api/users/", "/tasks/5/"):
            with pytest.raises(ImageError) as caught:
                fetcher.fetch(value)
            assert caught.value.reason == "forbidden_address"
    assert server.asked == []
    with ImageFetcher(replace(policy, allowed_hosts=("127.0.0.1",))) as fetcher, pytest.raises(ImageError):
        fetcher.fetch(f"{server.url}/api/users/")
    assert [asked.headers.get("Authorization") for asked in server.asked] == [None]
