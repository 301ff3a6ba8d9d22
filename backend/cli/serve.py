"""`serve`: the web server and, beside it, the processes that run the background jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.ports import refuse_taken_port
from backend.cli.supervisor import Supervisor
from backend.cli.worker import worker_command
from backend.jobs.kinds import Lane
from backend.logs import configure_logging
from backend.settings import check_listening, load_settings
from backend.storage.opening import migrate_database


def serve(
    port: Annotated[int | None, typer.Option(help="Port to listen on; overrides PORT.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; overrides HOST.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine though no credentials are set.")
    ] = False,
) -> None:
    """Run the backend: answers Label Studio on HOST:PORT and works on jobs beside it. Ctrl-C stops all."""
    overrides = {name: value for name, value in (("port", port), ("host", host)) if value is not None}
    settings = load_settings(**overrides)
    check_listening(settings, insecure=insecure)
    refuse_taken_port(settings.host, settings.port, choose="with --port or PORT")
    configure_logging(settings)
    migrate_database(settings)
    address = ["--host", settings.host, "--port", str(settings.port), *(["--insecure"] if insecure else [])]
    workers = [worker_command(lane) for lane in Lane]
    raise typer.Exit(Supervisor(web=["web", *address], workers=workers).run())
