"""The bytes of an image, whatever way a task names it."""

from __future__ import annotations

import base64
import posixpath
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from backend.errors import ImageError, SettingsError
from backend.images.addresses import AllowList
from backend.images.checked_network import Resolve, resolve_host
from backend.images.cloud import CLOUD_STORES, CloudReader
from backend.images.deadline import Deadline
from backend.images.inline import decode_data_uri
from backend.images.label_studio_routes import serves_images
from backend.images.local_files import LocalFiles
from backend.images.policy import ImagePolicy
from backend.images.web import WebClient
from backend.images.web_address import Origin, WebAddress

# Paths that Label Studio itself answers.
_LABEL_STUDIO_PATHS = ("/data/upload/", "/data/local-files/", "/storage-data/", "/tasks/", "/api/")
_LOCAL_FILES = "/data/local-files/"
_MAX_IN_MESSAGES = 200


class ImageFetcher:
    """Fetches image values under one policy; safe to share between threads.

    Args:
        policy: what may be fetched.
        resolve: name resolution; the system's unless told.

    Raises:
        SettingsError: `label_studio_url` or an entry of `allowed_hosts` or `cloud_schemes` is not valid.
    """

    def __init__(self, policy: ImagePolicy, *, resolve: Resolve = resolve_host) -> None:
        self._policy = policy
        self._label_studio = policy.label_studio_url.rstrip("/")
        self._files = LocalFiles(policy.local_roots)
        self._cloud = CloudReader(policy.cloud_schemes)
        self._web = WebClient(
            AllowList(policy.allowed_hosts),
            trusted=_origin_of(self._label_studio) if self._label_studio else None,
            trusted_target=partial(serves_images, prefix=urlsplit(self._label_studio).path),
            authorization=policy.authorization,
            resolve=resolve,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close kept connections."""
        self._web.close()

    def fetch(self, value: str, *, task_id: int | None = None) -> bytes:
        """The encoded image that `value` names.

        Args:
            value: an http(s) address, a `data:` URI, `s3://`, `gs://` or `azure-blob://`, a path of Label Studio's
                (`/data/upload/…`, `/data/local-files/?d=…`), `file://` or an absolute path.
            task_id: the task it belongs to; Label Studio resolves cloud addresses only with it.

        Raises:
            ImageError: with `reason` one of `unsupported_scheme`, `bad_address`, `forbidden_address`,
                `forbidden_path`, `not_found`, `unreachable`, `http_status`, `timeout`, `too_large`, `unreadable`,
                `missing_extra`, `no_label_studio`, `label_studio`.
        """
        if not isinstance(value, str):  # values come from task data, which may hold anything
            raise ImageError(f"the image value is a {type(value).__name__}, not text", reason="bad_address")
        try:
            return self._fetch(value.strip(), task_id, Deadline(self._policy.timeout_seconds))
        except ImageError as error:
            raise ImageError(f"{describe(value)}: {error}", reason=error.reason, status=error.status) from error

    def _fetch(self, value: str, task_id: int | None, deadline: Deadline) -> bytes:
        if value.startswith("/") and not value.startswith("//"):
            return self._fetch_path(value, deadline)
        scheme = value.partition(":")[0].lower() if ":" in value else ""
        if scheme == "data":
            return decode_data_uri(value, self._policy.max_bytes)
        if scheme in ("http", "https"):
            return self._get(value, deadline)
        if scheme in CLOUD_STORES:
            return self._fetch_cloud(value, scheme, task_id, deadline)
        if scheme == "file":
            return self._read_file(_path_of_file_uri(value), deadline)
        raise ImageError(
            "not an image address; write http(s)://, data:, file://, an absolute path, "
            + ", ".join(f"{name}://" for name in CLOUD_STORES),
            reason="unsupported_scheme",
        )

    def _fetch_path(self, value: str, deadline: Deadline) -> bytes:
        prefix = urlsplit(self._label_studio).path
        path = value.removeprefix(prefix) if value.startswith(prefix + "/") else value
        if not path.startswith(_LABEL_STUDIO_PATHS):
            return self._read_file(Path(value), deadline)
        if path.startswith(_LOCAL_FILES):
            on_disk = self._files.find(_document_path(path))
            if on_disk is not None:
                return self._read_file(on_disk, deadline)
        if self._label_studio:
            return self._get(self._label_studio + path, deadline)
        on_disk = self._files.find(value)  # a declared folder may well be named like a path of Label Studio
        if on_disk is not None:
            return self._read_file(on_disk, deadline)
        raise ImageError("only Label Studio has it; set LABEL_STUDIO_URL", reason="no_label_studio")

    def _fetch_cloud(self, value: str, scheme: str, task_id: int | None, deadline: Deadline) -> bytes:
        if scheme in self._cloud.schemes:
            return self._cloud.read(value, max_bytes=self._policy.max_bytes, deadline=deadline)
        if not self._label_studio or task_id is None:
            raise ImageError(
                f"add {scheme} to CLOUD_SCHEMES to read it with this machine's credentials, "
                "or set LABEL_STUDIO_URL so that Label Studio resolves it for its task",
                reason="unsupported_scheme" if self._label_studio else "no_label_studio",
            )
        encoded = base64.urlsafe_b64encode(value.encode()).decode("ascii")
        return self._get(f"{self._label_studio}/tasks/{task_id}/resolve/?{urlencode({'fileuri': encoded})}", deadline)

    def _get(self, url: str, deadline: Deadline) -> bytes:
        return self._web.get(url, max_bytes=self._policy.max_bytes, deadline=deadline)

    def _read_file(self, path: Path, deadline: Deadline) -> bytes:
        return self._files.read(path, max_bytes=self._policy.max_bytes, deadline=deadline)


def describe(value: str) -> str:
    """`value` as it may be shown: short, printable, and without the signatures and passwords of addresses."""
    text = value.strip()
    scheme = text.partition(":")[0].lower()
    if scheme == "data":
        return f"data: URI of {len(text)} characters"
    if scheme in ("http", "https"):
        text = text.partition("?")[0].partition("#")[0]
        start, separator, rest = text.partition("://")
        authority, slash, path = rest.partition("/")
        text = start + separator + authority.rpartition("@")[2] + slash + path
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return text if len(text) <= _MAX_IN_MESSAGES else text[: _MAX_IN_MESSAGES - 1] + "…"


def _origin_of(label_studio_url: str) -> Origin:
    try:
        return WebAddress.parse(label_studio_url).origin
    except ImageError as error:
        raise SettingsError(f"LABEL_STUDIO_URL: {error}") from error


def _document_path(path: str) -> str:
    """The path below a document root that `/data/local-files/?d=…` names, as Label Studio reads it."""
    named = parse_qs(urlsplit(path).query).get("d", [""])[0]
    return posixpath.normpath(named).lstrip("/")


def _path_of_file_uri(value: str) -> Path:
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise ImageError(f"not a valid file address ({error})", reason="bad_address") from error
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/"):
        raise ImageError("write it as file:///folder/name", reason="bad_address")
    return Path(path)
