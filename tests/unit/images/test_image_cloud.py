"""Object stores, through the real fsspec implementations speaking to a server on loopback."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import fsspec
import pytest

from backend.errors import ImageError, SettingsError
from backend.images import ImageFetcher, ImagePolicy
from backend.images.cloud import read_object
from backend.images.deadline import Deadline

from .servers import Server, body

pytestmark = pytest.mark.unit

OBJECT = bytes(range(256)) * 8
Store = Callable[[Server, pytest.MonkeyPatch], None]


def ranged(content: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer byte ranges as object stores do."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range") or handler.headers.get("x-ms-range") or ""
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
        first, last = (int(match[1]), min(int(match[2]), len(content) - 1)) if match else (0, len(content) - 1)
        part = content[first : last + 1]
        handler.send_response(206 if match else 200)
        handler.send_header("Content-Length", str(len(part)))
        handler.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        handler.send_header("Content-Type", "image/png")
        handler.send_header("ETag", '"0x1"')
        handler.send_header("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")
        handler.send_header("x-ms-blob-type", "BlockBlob")
        handler.end_headers()
        handler.wfile.write(part)

    return answer


def s3(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-" + uuid.uuid4().hex)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def gcs(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gcsfs")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    fsspec.get_filesystem_class("gs").clear_instance_cache()


def azure(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("adlfs")
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"DefaultEndpointsProtocol=http;AccountName=acc;AccountKey=c2VjcmV0;BlobEndpoint={server.url}/acc;",
    )
    fsspec.get_filesystem_class("abfs").clear_instance_cache()


STORES = [
    pytest.param("s3", s3, "/bucket/dir/a.png", id="s3"),
    pytest.param("gs", gcs, "/download/storage/v1/b/bucket/o/dir%2Fa.png", id="gs"),
    pytest.param("azure-blob", azure, "/acc/bucket/dir/a.png", id="azure-blob"),
]


@pytest.mark.parametrize(("scheme", "store", "path"), STORES)
def test_objects_are_read_with_one_request_each(
    scheme: str, store: Store, path: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(server, monkeypatch)
    server.routes[path] = ranged(OBJECT)
    with ImageFetcher(ImagePolicy(cloud_schemes=(scheme,), timeout_seconds=30)) as fetcher:
        assert fetcher.fetch(f"{scheme}://bucket/dir/a.png") == OBJECT
    assert any(asked.target.startswith(path) for asked in server.asked)


@pytest.mark.parametrize(("scheme", "store", "path"), STORES)
def test_objects_above_the_cap_are_cut_off(
    scheme: str, store: Store, path: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(server, monkeypatch)
    server.routes[path] = ranged(OBJECT)
    policy = ImagePolicy(cloud_schemes=(scheme,), max_bytes=len(OBJECT) - 1, timeout_seconds=30)
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageError) as caught:
        fetcher.fetch(f"{scheme}://bucket/dir/a.png")
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize(("scheme", "store", "path"), STORES)
def test_missing_objects_and_refusals_have_reasons(
    scheme: str, store: Store, path: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(server, monkeypatch)
    policy = ImagePolicy(cloud_schemes=(scheme,), timeout_seconds=30)
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageError) as caught:
        fetcher.fetch(f"{scheme}://bucket/dir/none.png")
    assert caught.value.reason == "not_found"
    assert f"{scheme}://bucket/dir/none.png: " in str(caught.value)
    server.routes[path] = body(b"<Error><Code>AccessDenied</Code></Error>", status=403)
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageError) as caught:
        fetcher.fetch(f"{scheme}://bucket/dir/a.png")
    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize("value", ["s3://bucket", "s3://bucket/", "s3:///key", "s3://evil@host/key", "s3://a:1/key"])
def test_malformed_addresses_are_errors(value: str) -> None:
    with ImageFetcher(ImagePolicy(cloud_schemes=("s3",))) as fetcher, pytest.raises(ImageError) as caught:
        fetcher.fetch(value)
    assert caught.value.reason == "bad_address"


@pytest.mark.parametrize("scheme", ["file", "http", "memory", "local", "S3"])
def test_other_schemes_cannot_be_configured(scheme: str) -> None:
    with pytest.raises(SettingsError, match=r"CLOUD_SCHEMES.*s3, gs, azure-blob"):
        ImageFetcher(ImagePolicy(cloud_schemes=(scheme,)))


def test_a_missing_extra_is_named() -> None:
    """In an interpreter of its own, where s3fs cannot be imported."""
    program = """
import sys
sys.modules["s3fs"] = None
from backend.errors import ImageError
from backend.images import ImageFetcher, ImagePolicy
try:
    ImageFetcher(ImagePolicy(cloud_schemes=("s3",))).fetch("s3://bucket/key")
except ImageError as error:
    sys.exit(f"{error.reason}: {error}")
"""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("missing_extra: s3://bucket/key: reading s3:// needs s3fs; install the extra 's3'")


def test_plain_file_systems_keep_the_same_rules(tmp_path: Path) -> None:
    memory, local = fsspec.filesystem("memory"), fsspec.filesystem("file")
    name = f"/{uuid.uuid4().hex}/a.png"
    memory.pipe_file(name, OBJECT)
    (tmp_path / "a.png").write_bytes(OBJECT)
    for filesystem, path in ((memory, name), (local, str(tmp_path / "a.png"))):
        assert read_object(filesystem, path, max_bytes=len(OBJECT), deadline=Deadline(30)) == OBJECT
        for expected, arguments in {
            "too_large": (path, len(OBJECT) - 1, 30),
            "not_found": (path + "x", 10, 30),
            "timeout": (path, len(OBJECT), 0),
        }.items():
            with pytest.raises(ImageError) as caught:
                read_object(filesystem, arguments[0], max_bytes=arguments[1], deadline=Deadline(arguments[2]))
            assert caught.value.reason == expected


def test_a_store_that_hangs_ends_with_the_deadline(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    s3(server, monkeypatch)
    server.routes["/bucket/a.png"] = lambda handler: server.stop.wait(20) and None
    policy = ImagePolicy(cloud_schemes=("s3",), timeout_seconds=1.0)
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageError) as caught:
        fetcher.fetch("s3://bucket/a.png")
    assert caught.value.reason == "timeout"
