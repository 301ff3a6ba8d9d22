"""Whether a server may listen where it is told to, found out before anything slow is started."""

from __future__ import annotations

import errno
import socket

from backend.errors import SettingsError


def refuse_taken_port(host: str, port: int, *, choose: str) -> None:
    """Find out whether a server could listen on `host`:`port`.

    Args:
        choose: how people choose another port, e.g. "with --port".

    Raises:
        SettingsError: the port is in use, or this machine does not let us listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(_fault(error, host, port, choose), reason="port") from None


def _fault(error: OSError, host: str, port: int, choose: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use: stop what listens there, or choose another {choose}."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this user has: choose one from 1024 on {choose}."
    return f"{host} is no address that this machine can listen on ({error.strerror}): correct HOST."
