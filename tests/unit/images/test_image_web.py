"""Fetching over http(s) from real servers on loopback."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest

from backend.errors import ImageError
from backend.images import ImageFetcher, ImagePolicy

from .servers import Server, body, redirect, serving

pytestmark = pytest.mark.unit

LOOPBACK = ImagePolicy(allowed_hosts=("127.0.0.1",), max_bytes=100_000, timeout_seconds=10)


def fails(fetcher: ImageFetcher, value: str) -> ImageError:
    """The error that fetching `value` raises."""
    with pytest.raises(ImageError) as caught:
        fetcher.fetch(value)
    return caught.value


def test_an_allow_listed_host_is_read(server: Server, png: bytes) -> None:
    server.routes["/a%20b.png"] = body(png)
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fetcher.fetch(f"{server.url}/a b.png?x=1&y=ü#part") == png
    assert server.asked[0].target == "/a%20b.png?x=1&y=%C3%BC"
    assert server.asked[0].headers["Host"] == f"127.0.0.1:{server.port}"
    assert "Authorization" not in server.asked[0].headers


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1"]
)
def test_loopback_is_refused_in_every_spelling(host: str, server: Server) -> None:
    with ImageFetcher(ImagePolicy()) as fetcher:
        error = fails(fetcher, f"http://{host}:{server.port}/a.png")
    assert error.reason == "forbidden_address"
    assert "ALLOWED_HOSTS" in str(error)
    assert server.connections == 0


def test_metadata_server_is_refused() -> None:
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fails(fetcher, "http://169.254.169.254/latest/meta-data/").reason == "forbidden_address"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int, server: Server, png: bytes) -> None:
    server.routes["/old"] = redirect("../new?n=1", status)
    server.routes["/new"] = body(png)
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fetcher.fetch(f"{server.url}/old") == png
    assert [asked.target for asked in server.asked] == ["/old", "/new?n=1"]


def test_a_redirect_to_a_private_address_is_refused(server: Server, png: bytes) -> None:
    with serving("127.0.0.2") as hidden, ImageFetcher(LOOPBACK) as fetcher:
        hidden.routes["/secret.png"] = body(png)
        server.routes["/photo.png"] = redirect(f"{hidden.url}/secret.png")
        assert fails(fetcher, f"{server.url}/photo.png").reason == "forbidden_address"
        assert hidden.connections == 0


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "s3://bucket/key", "gopher://x/"])
def test_a_redirect_to_another_scheme_is_refused(location: str, server: Server) -> None:
    server.routes["/photo.png"] = redirect(location)
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fails(fetcher, f"{server.url}/photo.png").reason == "unsupported_scheme"


def test_a_circle_of_redirects_ends(server: Server) -> None:
    server.routes["/photo.png"] = redirect("/photo.png")
    with ImageFetcher(LOOPBACK) as fetcher:
        error = fails(fetcher, f"{server.url}/photo.png")
    assert (error.reason, len(server.asked)) == ("http_status", 9)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "not_found"), (410, "not_found"), (401, "http_status"), (403, "http_status"), (500, "http_status"),
     (204, "http_status"), (304, "http_status")],
)  # fmt: skip
def test_status_codes(status: int, reason: str, server: Server) -> None:
    server.routes["/a"] = body(b"", status=status)
    with ImageFetcher(LOOPBACK) as fetcher:
        error = fails(fetcher, f"{server.url}/a")
    assert error.reason == reason
    assert str(status) in str(error)


def test_a_declared_size_above_the_cap_is_refused_unread(server: Server) -> None:
    server.routes["/a"] = body(b"", Content_Length="100001")
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fails(fetcher, f"{server.url}/a").reason == "too_large"


def test_an_endless_body_is_cut_off_at_the_cap(server: Server) -> None:
    sent = threading.Event()

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        try:
            while not server.stop.is_set():
                handler.wfile.write(b"8000\r\n" + bytes(0x8000) + b"\r\n")
        finally:
            sent.set()

    server.routes["/a"] = endless
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fails(fetcher, f"{server.url}/a").reason == "too_large"
        assert sent.wait(20), "the connection was left open"


def test_a_body_of_exactly_the_cap_is_read(server: Server) -> None:
    server.routes["/a"] = body(bytes(100_000))
    with ImageFetcher(LOOPBACK) as fetcher:
        assert len(fetcher.fetch(f"{server.url}/a")) == 100_000


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"],
    ids=["status line", "header", "body"],
)  # fmt: skip
def test_a_drip_of_bytes_ends_with_the_deadline(start: bytes, server: Server) -> None:
    """Each byte comes well within a read timeout; only the total can stop it."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(start)
        while not server.stop.wait(0.02):
            handler.wfile.write(b"a")
            handler.wfile.flush()

    server.routes["/a"] = drip
    with ImageFetcher(ImagePolicy(allowed_hosts=("127.0.0.1",), timeout_seconds=0.4)) as fetcher:
        error = fails(fetcher, f"{server.url}/a")
    assert error.reason == "timeout"
    assert "0.4 s" in str(error)


def test_redirects_share_one_deadline(server: Server) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        server.stop.wait(0.15)
        redirect("/a")(handler)

    server.routes["/a"] = slow
    with ImageFetcher(ImagePolicy(allowed_hosts=("127.0.0.1",), timeout_seconds=0.5)) as fetcher:
        assert fails(fetcher, f"{server.url}/a").reason == "timeout"


def test_a_name_server_that_hangs_ends_with_the_deadline() -> None:
    answered = threading.Event()

    def hang(host: str, port: int) -> list[str]:
        answered.wait(20)
        return ["127.0.0.1"]

    with ImageFetcher(ImagePolicy(timeout_seconds=0.2), resolve=hang) as fetcher:
        assert fails(fetcher, "http://photos.test/a").reason == "timeout"
    answered.set()


def test_the_connection_goes_to_the_address_that_was_checked(server: Server, png: bytes) -> None:
    """A name server that answers with an allowed address first and a forbidden one later gains nothing."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    server.routes["/a"] = body(png)
    with serving("127.0.0.2") as hidden:
        fetcher = ImageFetcher(LOOPBACK, resolve=lambda host, port: next(answers))
        assert fetcher.fetch(f"http://photos.test:{server.port}/a") == png
        assert server.asked[0].headers["Host"] == f"photos.test:{server.port}"
        assert fails(fetcher, f"http://photos.test:{hidden.port}/a").reason == "forbidden_address"
        assert hidden.connections == 0


def test_of_several_addresses_only_permitted_ones_are_tried(server: Server, png: bytes) -> None:
    server.routes["/a"] = body(png)
    fetcher = ImageFetcher(LOOPBACK, resolve=lambda host, port: ["10.255.255.1", "::1", "127.0.0.1"])
    assert fetcher.fetch(f"http://photos.test:{server.port}/a") == png


def test_an_unreachable_address_leaves_its_turn_to_the_next(server: Server, png: bytes) -> None:
    server.routes["/a"] = body(png)
    policy = ImagePolicy(allowed_hosts=("photos.test",))
    fetcher = ImageFetcher(policy, resolve=lambda host, port: ["127.0.0.9", "127.0.0.1"])
    assert fetcher.fetch(f"http://photos.test:{server.port}/a") == png


def test_a_closed_port_and_an_unknown_host_are_unreachable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with ImageFetcher(LOOPBACK) as fetcher:
            assert fails(fetcher, f"http://127.0.0.1:{held.getsockname()[1]}/a").reason == "unreachable"
            assert fails(fetcher, "http://nothing.invalid/a").reason == "unreachable"


def test_a_body_cut_short_is_an_error(server: Server) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        body(b"abc", Content_Length="10")(handler)
        handler.close_connection = True

    server.routes["/a"] = cut
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fails(fetcher, f"{server.url}/a").reason == "unreachable"


def test_what_is_no_http_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def babble() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        talker = threading.Thread(target=babble, daemon=True)
        talker.start()
        with ImageFetcher(LOOPBACK) as fetcher:
            assert fails(fetcher, f"http://127.0.0.1:{listener.getsockname()[1]}/").reason == "unreachable"
        talker.join()


def test_a_kept_connection_closed_by_the_server_is_replaced(server: Server, png: bytes) -> None:
    """The server hangs up on the second request of a connection before answering it."""
    served: set[int] = set()

    def once(handler: BaseHTTPRequestHandler) -> None:
        if id(handler) in served:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        served.add(id(handler))
        kept.append(handler)
        body(png)(handler)

    kept: list[BaseHTTPRequestHandler] = []
    server.routes["/a"] = once
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fetcher.fetch(f"{server.url}/a") == png
        assert fetcher.fetch(f"{server.url}/a") == png
    assert (len(server.asked), server.connections) == (3, 2)


def test_connections_are_kept_and_threads_may_share(server: Server, png: bytes) -> None:
    for number in range(40):
        server.routes[f"/{number}"] = body(png + bytes([number]))
    with ImageFetcher(LOOPBACK) as fetcher, ThreadPoolExecutor(4) as threads:
        found = list(threads.map(fetcher.fetch, [f"{server.url}/{number}" for number in range(40)]))
    assert found == [png + bytes([number]) for number in range(40)]
    assert server.connections <= 8


def test_proxies_of_the_environment_are_not_used(
    server: Server, other_server: Server, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other_server.url)
    server.routes["/a"] = body(png)
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fetcher.fetch(f"{server.url}/a") == png
    assert other_server.connections == 0


@pytest.mark.parametrize(
    ("encoding", "packed"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_bodies_stored_compressed_are_unpacked(encoding: str, packed: object, server: Server, png: bytes) -> None:
    assert callable(packed)
    server.routes["/a"] = body(packed(png), Content_Encoding=encoding)
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fetcher.fetch(f"{server.url}/a") == png


def test_a_compressed_bomb_stops_at_the_cap(server: Server) -> None:
    server.routes["/a"] = body(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fails(fetcher, f"{server.url}/a").reason == "too_large"


@pytest.mark.parametrize(
    ("encoding", "content"),
    [("gzip", gzip.compress(b"x" * 999, mtime=0)[:-9]), ("gzip", b"no gzip"), ("br", b"x")],
    ids=["cut off", "no gzip", "not spoken"],
)
def test_damaged_or_unknown_encodings_are_errors(encoding: str, content: bytes, server: Server) -> None:
    server.routes["/a"] = body(content, Content_Encoding=encoding)
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fails(fetcher, f"{server.url}/a").reason == "unreadable"


def test_a_web_page_is_named_as_such(server: Server) -> None:
    server.routes["/a"] = body(b"\n<html><body>Sign in</body></html>", Content_Type="text/html; charset=utf-8")
    with ImageFetcher(LOOPBACK) as fetcher:
        error = fails(fetcher, f"{server.url}/a")
    assert error.reason == "unreadable"
    assert "web page" in str(error)


def test_a_password_in_the_address_goes_to_its_host_only(server: Server, other_server: Server, png: bytes) -> None:
    server.routes["/a"] = redirect(f"{other_server.url}/b")
    other_server.routes["/b"] = body(png)
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fetcher.fetch(f"http://user:p%40ss@127.0.0.1:{server.port}/a") == png
    assert server.asked[0].headers["Authorization"] == "Basic dXNlcjpwQHNz"
    assert "Authorization" not in other_server.asked[0].headers


def test_errors_show_neither_passwords_nor_signatures(server: Server) -> None:
    with ImageFetcher(LOOPBACK) as fetcher:
        message = str(fails(fetcher, f"http://user:hunter2@127.0.0.1:{server.port}/a?X-Amz-Signature=abcdef\n"))
    assert "hunter2" not in message
    assert "abcdef" not in message
    assert f"http://127.0.0.1:{server.port}/a: " in message


@pytest.mark.parametrize(
    "value",
    ["http://", "http:///a", "http://host:99999/", "http://[::1/", "http://a\u2100b.test:x/", "http://" + "ü" * 80],
)
def test_malformed_addresses_are_errors(value: str) -> None:
    with ImageFetcher(LOOPBACK) as fetcher:
        assert fails(fetcher, value).reason == "bad_address"


def test_a_header_cannot_be_smuggled_through_the_address(server: Server) -> None:
    with ImageFetcher(LOOPBACK) as fetcher:
        error = fails(fetcher, f"{server.url}/a HTTP/1.1\r\nX-Evil: 1")
    assert error.reason == "not_found"
    assert "X-Evil" not in server.asked[0].headers


def test_the_deadline_leaves_the_fetcher_usable(server: Server, png: bytes) -> None:
    server.routes["/slow"] = lambda handler: server.stop.wait(20) and None
    server.routes["/a"] = body(png)
    with ImageFetcher(ImagePolicy(allowed_hosts=("127.0.0.1",), timeout_seconds=0.5)) as fetcher:
        assert fails(fetcher, f"{server.url}/slow").reason == "timeout"
        assert fetcher.fetch(f"{server.url}/a") == png
