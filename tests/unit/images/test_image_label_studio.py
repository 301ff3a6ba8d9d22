"""Values that only Label Studio can answer, and where its token goes."""

from __future__ import annotations

import base64
import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.errors import ImageError, LabelStudioError, SettingsError
from backend.images import ImageFetcher, ImagePolicy

from .servers import Server, body, redirect, serving

pytestmark = pytest.mark.unit

TOKEN = "Token 0123456789"


def policy_for(server: Server, path: str = "", **more: object) -> ImagePolicy:
    """A policy whose Label Studio is `server`; no host is allow-listed."""
    fields: dict[str, object] = {"authorization": lambda: TOKEN, "timeout_seconds": 10.0}
    return ImagePolicy(label_studio_url=server.url + path, **(fields | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    ["/data/upload/1/a.png", "/data/local-files/?d=photos/a%20b.png", "/storage-data/uploaded/?filepath=upload/1/a.png",
     "/tasks/7/presign/?fileuri=czM6Ly9i"],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["", "/studio", "/studio/"])
def test_paths_of_label_studio_go_to_its_origin_with_its_token(
    value: str, prefix: str, server: Server, png: bytes
) -> None:
    path = prefix.rstrip("/")
    server.routes[path + urlsplit(value).path] = body(png)
    with ImageFetcher(policy_for(server, prefix)) as fetcher:
        assert fetcher.fetch(value) == png
        assert fetcher.fetch(path + value) == png
    assert [asked.target for asked in server.asked] == [path + value] * 2
    assert {asked.headers["Authorization"] for asked in server.asked} == {TOKEN}


def test_whole_addresses_at_its_origin_get_the_token_too(server: Server, png: bytes) -> None:
    server.routes["/data/upload/1/a.png"] = body(png)
    with ImageFetcher(policy_for(server)) as fetcher:
        assert fetcher.fetch(f"{server.url}/data/upload/1/a.png") == png
    assert server.asked[0].headers["Authorization"] == TOKEN


def test_the_token_is_asked_for_anew_at_each_request(server: Server, png: bytes) -> None:
    tokens = iter(["Bearer one", "Bearer two"])
    server.routes["/data/upload/1/a.png"] = body(png)
    with ImageFetcher(policy_for(server, authorization=lambda: next(tokens))) as fetcher:
        fetcher.fetch("/data/upload/1/a.png")
        fetcher.fetch("/data/upload/1/a.png")
    assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer one", "Bearer two"]


def test_the_token_does_not_follow_a_redirect_elsewhere(server: Server, other_server: Server, png: bytes) -> None:
    server.routes["/data/upload/1/a.png"] = redirect(f"{other_server.url}/bucket/a.png?signature=s")
    other_server.routes["/bucket/a.png"] = body(png)
    with ImageFetcher(policy_for(server, allowed_hosts=("127.0.0.1",))) as fetcher:
        assert fetcher.fetch("/data/upload/1/a.png") == png
    assert server.asked[0].headers["Authorization"] == TOKEN
    assert "Authorization" not in other_server.asked[0].headers


@pytest.mark.parametrize("form", ["http://localhost:{port}/a", "http://127.0.0.1.:{other}/a", "http://{port}@127.0.0.1:{other}/a"])  # fmt: skip
def test_the_token_goes_to_no_origin_that_only_resembles(
    form: str, server: Server, other_server: Server, png: bytes
) -> None:
    server.routes["/a"] = other_server.routes["/a"] = body(png)
    value = form.format(port=server.port, other=other_server.port)
    policy = policy_for(server, allowed_hosts=("127.0.0.1", "localhost"))
    with ImageFetcher(policy, resolve=lambda host, port: ["127.0.0.1"]) as fetcher:
        assert fetcher.fetch(value) == png
    asked = server.asked + other_server.asked
    assert [TOKEN in request.headers.values() for request in asked] == [False]


def test_its_origin_is_exempt_from_the_address_check_alone(server: Server, other_server: Server, png: bytes) -> None:
    server.routes["/data/upload/1/a.png"] = redirect(f"{other_server.url}/secret")
    other_server.routes["/secret"] = body(png)
    with ImageFetcher(policy_for(server)) as fetcher, pytest.raises(ImageError) as caught:
        fetcher.fetch("/data/upload/1/a.png")
    assert caught.value.reason == "forbidden_address"
    assert other_server.connections == 0


@pytest.mark.parametrize(
    "value", ["s3://bucket/photos/ä b.jpg", "gs://bucket/a.jpg", "azure-blob://container/a.jpg", "S3://bucket/a?b=1"]
)
def test_cloud_addresses_are_resolved_for_their_task(
    value: str, server: Server, other_server: Server, png: bytes
) -> None:
    server.routes["/tasks/42/resolve/"] = redirect(f"{other_server.url}/presigned?sig=x", 303)
    other_server.routes["/presigned"] = body(png)
    with ImageFetcher(policy_for(server, allowed_hosts=("127.0.0.1",))) as fetcher:
        assert fetcher.fetch(value, task_id=42) == png
    [encoded] = parse_qs(urlsplit(server.asked[0].target).query)["fileuri"]
    assert base64.urlsafe_b64decode(encoded).decode() == value
    assert server.asked[0].headers["Authorization"] == TOKEN
    assert "Authorization" not in other_server.asked[0].headers


def test_cloud_addresses_without_a_task_or_label_studio_name_the_fix(server: Server) -> None:
    with ImageFetcher(policy_for(server)) as fetcher, pytest.raises(ImageError, match="CLOUD_SCHEMES") as caught:
        fetcher.fetch("s3://bucket/a.jpg")
    assert caught.value.reason == "unsupported_scheme"
    with ImageFetcher(ImagePolicy()) as fetcher, pytest.raises(ImageError, match="LABEL_STUDIO_URL") as caught:
        fetcher.fetch("s3://bucket/a.jpg", task_id=1)
    assert caught.value.reason == "no_label_studio"


def test_local_files_are_read_from_a_declared_root(server: Server, tmp_path: Path, png: bytes) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a b.png").write_bytes(png)
    with ImageFetcher(policy_for(server, local_roots=(tmp_path,))) as fetcher:
        assert fetcher.fetch("/data/local-files/?d=photos/a%20b.png") == png
        assert fetcher.fetch("/data/local-files/?d=/photos//./a+b.png") == png
    assert server.asked == []


@pytest.mark.parametrize("named", ["photos/other.png", "../outside.png", "link.png", "photos", "", "%00"])
def test_local_files_that_no_root_holds_are_asked_for(named: str, server: Server, tmp_path: Path, png: bytes) -> None:
    root = tmp_path / "root"
    (root / "photos").mkdir(parents=True)
    (tmp_path / "outside.png").write_bytes(b"secret")
    (root / "link.png").symlink_to(tmp_path / "outside.png")
    server.routes["/data/local-files/"] = body(png)
    with ImageFetcher(policy_for(server, local_roots=(root,))) as fetcher:
        assert fetcher.fetch(f"/data/local-files/?d={named}") == png


def test_without_label_studio_its_paths_name_the_setting(tmp_path: Path) -> None:
    policy = ImagePolicy(local_roots=(tmp_path,))
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageError, match="LABEL_STUDIO_URL") as caught:
        fetcher.fetch("/data/upload/1/a.png")
    assert caught.value.reason == "no_label_studio"


def test_a_refused_token_names_the_setting(server: Server) -> None:
    server.routes["/data/upload/1/a.png"] = body(b"{}", status=401)
    with ImageFetcher(policy_for(server)) as fetcher, pytest.raises(ImageError, match="LABEL_STUDIO_API_KEY") as caught:
        fetcher.fetch("/data/upload/1/a.png")
    assert caught.value.reason == "http_status"


def test_a_token_that_cannot_be_had_fails_this_image_alone(server: Server) -> None:
    def refuse() -> str:
        raise LabelStudioError("the personal access token has expired")

    policy = policy_for(server, authorization=refuse)
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageError, match="has expired") as caught:
        fetcher.fetch("/data/upload/1/a.png")
    assert caught.value.reason == "label_studio"
    assert server.asked == []


def test_a_token_with_a_line_break_is_never_sent(server: Server) -> None:
    policy = policy_for(server, authorization=lambda: "Token a\r\nX-Evil: 1")
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageError):
        fetcher.fetch("/data/upload/1/a.png")
    assert server.asked == []


def ipv6_loopback() -> bool:
    """Whether this machine has ::1."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not ipv6_loopback(), reason="this machine has no ::1")
def test_an_ipv6_origin(png: bytes) -> None:
    with serving("::1") as running:
        running.routes["/data/upload/1/a.png"] = body(png)
        with ImageFetcher(policy_for(running)) as fetcher:
            assert fetcher.fetch("/data/upload/1/a.png") == png
    assert running.asked[0].headers["Host"] == f"[::1]:{running.port}"


@pytest.mark.parametrize("url", ["http://host:99999", "ftp://host", "http://"])
def test_an_address_that_is_none_stops_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="LABEL_STUDIO_URL"):
        ImageFetcher(ImagePolicy(label_studio_url=url))
