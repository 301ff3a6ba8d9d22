"""TCP connections that go only to addresses that were checked, and keep one deadline.

The HTTP library asks for a connection by host name. It is resolved here, once, each address is judged, and the
socket goes to a judged address: a name server that answers differently the second time is never asked. TLS still
verifies the host name.
"""

from __future__ import annotations

import concurrent.futures
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore

from backend.errors import ImageError
from backend.images.addresses import AllowList, IPAddress, is_public
from backend.images.deadline import Deadline

Resolve = Callable[[str, int], Sequence[str]]
SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

_RESOLVER_THREADS = 16


def resolve_host(host: str, port: int) -> list[str]:
    """The addresses of `host` in the order in which the system would try them.

    Raises:
        OSError: there are none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(frozen=True, slots=True)
class _Request:
    deadline: Deadline
    exempt: bool


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every wait ends with the deadline of the request that it serves now."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Callable[[], Deadline]) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline().remaining())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline().remaining())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline().remaining())
        return _DeadlineStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class CheckedNetwork(httpcore.NetworkBackend):
    """Opens connections for httpcore; every request must be made inside `request()`.

    Args:
        allowed: hosts that may be reached though their addresses are not public.
        resolve: name resolution; the system's unless told.
    """

    def __init__(self, allowed: AllowList, resolve: Resolve = resolve_host) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._system = httpcore.SyncBackend()
        self._current = threading.local()
        self._resolvers = concurrent.futures.ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolve")

    @contextmanager
    def request(self, deadline: Deadline, *, exempt: bool) -> Iterator[None]:
        """Within it, connections of this thread keep `deadline`; `exempt` ones may go to any address."""
        self._current.request = _Request(deadline, exempt)
        try:
            yield
        finally:
            del self._current.request

    def close(self) -> None:
        """Stop resolving; waits for no name server."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        request: _Request = self._current.request
        addresses = self._checked_addresses(host, port, request)
        for position, address in enumerate(addresses):
            left = request.deadline.remaining()
            # An address that swallows packets must leave time for the ones after it.
            share = left / (len(addresses) - position)
            try:
                stream = self._system.connect_tcp(str(address), port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses) - 1:
                    raise
            else:
                return _DeadlineStream(stream, lambda: self._current.request.deadline)
        raise ImageError(f"{host} has no address", reason="unreachable")

    def _checked_addresses(self, host: str, port: int, request: _Request) -> list[IPAddress]:
        found = [ipaddress.ip_address(text) for text in self._lookup(host, port, request.deadline)]
        checked = [
            address for address in found if request.exempt or is_public(address) or self._allowed.permits(host, address)
        ]
        if found and not checked:
            named = host if host == str(found[0]) else f"{host} ({found[0]})"
            raise ImageError(
                f"{named} is not a public address; add it to ALLOWED_HOSTS if images are to be read from it",
                reason="forbidden_address",
            )
        return checked

    def _lookup(self, host: str, port: int, deadline: Deadline) -> Sequence[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        # The system's resolver knows no deadline, so it is waited for from outside.
        pending = self._resolvers.submit(self._resolve, host, port)
        try:
            return pending.result(deadline.remaining())
        except concurrent.futures.TimeoutError:
            pending.cancel()
            raise deadline.exceeded() from None
        except (OSError, UnicodeError) as error:
            raise ImageError(f"the host {host} is not known ({error})", reason="unreachable") from error
