"""Who runs a job, by a name from which processes of the same host see whether it still lives."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerName:
    """Host, process and a token of its own, since process numbers are used again."""

    host: str
    pid: int
    token: str

    @classmethod
    def of_this_process(cls) -> WorkerName:
        """A name for the running process."""
        return cls(socket.gethostname()[:30], os.getpid(), uuid.uuid4().hex[:8])

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.token}"

    def knows_dead(self, other: str) -> bool:
        """Whether this worker can tell that `other` is dead (True only for processes of the same host)."""
        host, pid, token = other.rsplit(":", 2)
        if host != self.host:
            return False
        if int(pid) == self.pid:
            return token != self.token
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False
