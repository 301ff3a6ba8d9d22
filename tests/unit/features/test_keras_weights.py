"""Downloads of weights, from a real HTTP server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backend.errors import WeightsError
from backend.features.keras_weights import PublishedWeights, locate
from backend.features.spec import WeightsSource

pytestmark = pytest.mark.unit

CONTENT = bytes(range(256)) * 20_000


class Publisher(ThreadingHTTPServer):
    """Serves CONTENT, cut short or not, and counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked = 0
        self.cut = False

    def weights(self, path: str = "w.h5", md5: str | None = None) -> PublishedWeights:
        return PublishedWeights("w.h5", f"http://127.0.0.1:{self.server_port}/{path}", md5, "WEIGHTS")


class Answer(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.path != "/w.h5":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if self.server.cut else CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Publisher]:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Publisher() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_weights_are_downloaded_once(publisher: Publisher, tmp_path: Path) -> None:
    published = publisher.weights(md5=hashlib.md5(CONTENT, usedforsecurity=False).hexdigest())
    source = WeightsSource(tmp_path / "weights")
    path = locate(published, source)
    assert path.read_bytes() == CONTENT
    assert locate(published, source) == path
    assert publisher.asked == 1
    assert [found.name for found in path.parent.iterdir()] == ["w.h5"]


def test_a_file_with_another_checksum_is_not_kept(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="its MD5 is"):
        locate(publisher.weights(md5="0" * 32), WeightsSource(tmp_path / "weights"))
    assert not (tmp_path / "weights" / "w.h5").exists()


def test_a_download_cut_short_is_not_kept(publisher: Publisher, tmp_path: Path) -> None:
    publisher.cut = True
    with pytest.raises(WeightsError, match="missing: the download failed"):
        locate(publisher.weights(), WeightsSource(tmp_path / "weights"))
    assert [found.name for found in (tmp_path / "weights").iterdir()] == ["w.h5.failed.json"]


def test_a_failure_is_remembered_only_as_long_as_asked(publisher: Publisher, tmp_path: Path) -> None:
    published = publisher.weights("nothing-here")
    with pytest.raises(WeightsError, match="404"):
        locate(published, WeightsSource(tmp_path))
    with pytest.raises(WeightsError, match=r"a short while ago the download failed \(404"):
        locate(published, WeightsSource(tmp_path, retry_after_seconds=3600))
    assert publisher.asked == 1
    with pytest.raises(WeightsError, match="404"):
        locate(published, WeightsSource(tmp_path, retry_after_seconds=0))
    assert publisher.asked == 2


def test_success_clears_the_memory_of_failure(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        locate(publisher.weights("nothing-here"), WeightsSource(tmp_path))
    locate(publisher.weights(), WeightsSource(tmp_path))
    assert [found.name for found in tmp_path.iterdir() if found.is_file()] == ["w.h5"]


def test_a_server_that_is_not_there(tmp_path: Path, publisher: Publisher) -> None:
    published = publisher.weights()
    publisher.shutdown()
    publisher.server_close()
    with pytest.raises(WeightsError, match=r"cannot be reached.*Download http://.*into .*or name the file in WEIGHTS"):
        locate(published, WeightsSource(tmp_path))
