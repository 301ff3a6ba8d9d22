"""http(s) addresses, taken apart once so that the address checked is the address asked."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from backend.errors import ImageError
from backend.images.addresses import canonical_host

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"
_QUERY_SAFE = _PATH_SAFE + "?[]|"


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what a token may be sent to, compared exactly."""

    scheme: str
    host: str
    port: int

    @property
    def host_header(self) -> str:
        """The `Host` header; the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An http(s) address in parts.

    Attributes:
        origin: scheme, host (ASCII, lower case) and port.
        target: path and query, percent-encoded.
        credentials: `Authorization` header made of the user name and password in the address, or None.
        url: the address as it was written, for resolving redirects against.
    """

    origin: Origin
    target: str
    credentials: str | None
    url: str

    @classmethod
    def parse(cls, url: str) -> WebAddress:
        """Take `url` apart.

        Raises:
            ImageError: `unsupported_scheme` unless http or https, `bad_address` where it has no valid host or port.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ImageError(f"not a valid address ({error})", reason="bad_address") from error
        if parts.scheme not in _DEFAULT_PORTS:
            raise ImageError(
                f"{parts.scheme or 'an address without scheme'} leads nowhere that may be fetched; "
                "only http and https do",
                reason="unsupported_scheme",
            )
        target = quote(parts.path or "/", safe=_PATH_SAFE)
        if parts.query:
            target += "?" + quote(parts.query, safe=_QUERY_SAFE)
        return cls(
            origin=Origin(parts.scheme, _ascii_host(parts.hostname), port or _DEFAULT_PORTS[parts.scheme]),
            target=target,
            credentials=_basic(parts),
            url=url,
        )

    def redirected(self, location: str) -> WebAddress:
        """The address that a `Location` header at this one means."""
        try:
            return WebAddress.parse(urljoin(self.url, location))
        except ValueError as error:
            raise ImageError(f"redirected to an invalid address ({error})", reason="bad_address") from error


def _ascii_host(host: str | None) -> str:
    if not host:
        raise ImageError("an address needs a host", reason="bad_address")
    try:
        return canonical_host(host).encode("idna").decode("ascii") if not host.isascii() else canonical_host(host)
    except UnicodeError as error:
        raise ImageError(f"{host!r} is not a valid host name", reason="bad_address") from error


def _basic(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")
