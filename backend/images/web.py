"""Images over http(s): redirects followed by hand, every hop checked anew."""

from __future__ import annotations

import ssl
import zlib
from collections.abc import Callable, Iterable, Iterator

import certifi
import httpcore

from backend.errors import BackendError, ImageError
from backend.images.addresses import AllowList
from backend.images.checked_network import CheckedNetwork, Resolve, resolve_host
from backend.images.deadline import Deadline
from backend.images.size_cap import gather, too_large
from backend.images.web_address import Origin, WebAddress

_MAX_REDIRECTS = 8
_REDIRECT_STATUS = frozenset((301, 302, 303, 307, 308))
_CONNECTIONS = 256
_KEPT_CONNECTIONS = 32
_KEEPALIVE_SECONDS = 15.0
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_INFLATE_STEP = 1 << 16


class WebClient:
    """Fetches over http(s) from public or allow-listed addresses; safe to share between threads.

    Proxies named in the environment are not used: they would be asked to resolve names in our place.

    Args:
        allowed: hosts that may be fetched from though their addresses are not public.
        trusted: the one origin exempt from the address check, and sent `authorization`; None for no such origin.
        trusted_target: whether a path and query of that origin are among those; all others of it are fetched like
            any address.
        authorization: gives the `Authorization` header for `trusted`.
        resolve: name resolution; the system's unless told.
    """

    def __init__(
        self,
        allowed: AllowList,
        *,
        trusted: Origin | None = None,
        trusted_target: Callable[[str], bool] = lambda target: True,
        authorization: Callable[[], str] | None = None,
        resolve: Resolve = resolve_host,
    ) -> None:
        self._trusted = trusted
        self._trusted_target = trusted_target
        self._authorization = authorization
        self._network = CheckedNetwork(allowed, resolve)
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls_context(),
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_KEPT_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=self._network,
        )

    def close(self) -> None:
        """Close kept connections."""
        self._pool.close()
        self._network.close()

    def get(self, url: str, *, max_bytes: int, deadline: Deadline) -> bytes:
        """The body at `url` after redirects.

        Raises:
            ImageError: `unsupported_scheme`, `bad_address`, `forbidden_address`, `unreachable`, `not_found`,
                `http_status`, `too_large`, `timeout`, `unreadable`, `label_studio`.
        """
        address = WebAddress.parse(url)
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._hop(address, max_bytes, deadline)
            if isinstance(answer, bytes):
                return answer
            address = answer
        raise ImageError(f"more than {_MAX_REDIRECTS} redirects", reason="http_status")

    def _hop(self, address: WebAddress, max_bytes: int, deadline: Deadline) -> bytes | WebAddress:
        headers = self._headers(address)
        with self._network.request(deadline, exempt=self._is_trusted(address)):
            try:
                try:
                    return self._ask(address, headers, max_bytes, deadline)
                except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError):
                    # A kept connection may have been closed just as it was used again: ask once more.
                    return self._ask(address, headers, max_bytes, deadline)
            except httpcore.TimeoutException as error:
                raise deadline.exceeded() from error
            except (httpcore.NetworkError, httpcore.ProtocolError) as error:
                raise ImageError(f"{address.origin.host} broke off ({error})", reason="unreachable") from error

    def _is_trusted(self, address: WebAddress) -> bool:
        return address.origin == self._trusted and self._trusted_target(address.target)

    def _headers(self, address: WebAddress) -> list[tuple[str, str]]:
        headers = [
            ("Host", address.origin.host_header),
            ("Accept", "image/*,*/*;q=0.8"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", "label-order-backend"),
        ]
        if self._is_trusted(address) and self._authorization is not None:
            try:
                headers.append(("Authorization", self._authorization()))
            except BackendError as error:
                raise ImageError(str(error), reason="label_studio") from error
        elif address.credentials is not None:
            headers.append(("Authorization", address.credentials))
        return headers

    def _ask(
        self, address: WebAddress, headers: list[tuple[str, str]], max_bytes: int, deadline: Deadline
    ) -> bytes | WebAddress:
        origin = address.origin
        url = httpcore.URL(
            scheme=origin.scheme.encode(),
            host=origin.host.encode(),
            port=origin.port,
            target=address.target.encode("ascii"),
        )
        timeout = {"pool": deadline.remaining()}
        with self._pool.stream("GET", url, headers=list(headers), extensions={"timeout": timeout}) as response:
            answered = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status in _REDIRECT_STATUS and "location" in answered:
                return address.redirected(answered["location"])
            self._check_status(response.status, address)
            declared = answered.get("content-length", "")
            if declared.isdecimal() and int(declared) > max_bytes:
                raise too_large(max_bytes)
            chunks = _decompressed(response.iter_stream(), answered.get("content-encoding", "identity"))
            body = gather(chunks, max_bytes)
        if answered.get("content-type", "").startswith("text/html") and body.lstrip()[:1] == b"<":
            raise ImageError(
                f"{origin.host} answered with a web page, not an image{self._hint(address)}", reason="unreadable"
            )
        return body

    def _check_status(self, status: int, address: WebAddress) -> None:
        host = address.origin.host
        if status in (404, 410):
            raise ImageError(f"{host} has no such image (HTTP {status})", reason="not_found", status=status)
        if status in (401, 403):
            raise ImageError(
                f"{host} does not permit it (HTTP {status}){self._hint(address)}", reason="http_status", status=status
            )
        if status != 200:
            raise ImageError(f"{host} answered HTTP {status}", reason="http_status", status=status)

    def _hint(self, address: WebAddress) -> str:
        return "; check LABEL_STUDIO_API_KEY" if self._is_trusted(address) else ""


def _tls_context() -> ssl.SSLContext:
    """The system's certificate authorities (SSL_CERT_FILE included) and those of certifi."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _decompressed(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """`chunks` freed of a content encoding that was not asked for (object stores send files as they were stored)."""
    if encoding.lower() in ("", "identity"):
        yield from chunks
        return
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        raise ImageError(f"its content encoding {encoding} is not known", reason="unreadable")
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        for chunk in chunks:
            pending = chunk
            while pending:
                yield inflater.decompress(pending, _INFLATE_STEP)
                pending = inflater.unconsumed_tail
        yield inflater.flush()
    except zlib.error as error:
        raise ImageError(f"its {encoding} encoding is damaged ({error})", reason="unreadable") from error
    if not inflater.eof:
        raise ImageError(f"its {encoding} encoding is cut short", reason="unreadable")
