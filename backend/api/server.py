"""The web server: gunicorn with threads in one process, so that the backbone is in memory once."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from backend.settings import Settings

if TYPE_CHECKING:
    from backend.service.context.context import Runtime

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_SECONDS = 120  # Label Studio itself gives up on /predict after 100 s
SHUTDOWN_SECONDS = 10
PATIENCE_SECONDS = 5.0  # a locked database must not hold all threads; events go to files then


def build_app(settings: Settings) -> Flask:
    """The application with a runtime of its own; the backbone is opened in the background."""
    from backend.api.app import create_app

    runtime = open_runtime(settings)
    threading.Thread(target=_open_backbone, args=(runtime,), name="open-backbone", daemon=True).start()
    return create_app(runtime, runtime.jobs)


def open_runtime(settings: Settings) -> Runtime:
    """What the web process works with. Events are on the disk before they are answered: a group waits for it once."""
    from backend.jobs.queue import JobQueue
    from backend.service.context.context import Runtime
    from backend.storage.database import Database

    url, threads = settings.resolved_database_url, settings.web_threads
    database = Database(url, patience=PATIENCE_SECONDS, threads=threads)
    durable = Database(url, patience=PATIENCE_SECONDS, durable=True) if database.is_sqlite else None
    return Runtime(settings, database, JobQueue(settings, database), low_latency=True, durable=durable)


def _open_backbone(runtime: Any) -> None:
    from backend.errors import BackendError

    try:
        _ = runtime.backbone
        _ = runtime.wordnet
    except BackendError as error:
        log.error("%s", error)


class GunicornLog(Logger):  # type: ignore[misc]
    """Gunicorn's own lines, in the format of all others."""

    def setup(self, cfg: Any) -> None:
        """Called by gunicorn: what it logs goes to the root logger alone."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class WebServer(BaseApplication):  # type: ignore[misc]
    """Gunicorn over `build_app`; the heavy imports happen in its worker process only."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn: one process, threads, no access log of its own."""
        options = {
            "bind": f"{self._settings.host}:{self._settings.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._settings.web_threads,
            "timeout": REQUEST_TIMEOUT_SECONDS,
            "graceful_timeout": SHUTDOWN_SECONDS,
            "control_socket_disable": True,  # it would be a file in the home folder
            "logger_class": GunicornLog,
            "loglevel": self._settings.log_level.lower(),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Called by gunicorn in the worker process."""
        return build_app(self._settings)
