"""`web`: only the web server; `serve` starts one by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.ports import refuse_taken_port
from backend.demo.parent import end_with_parent
from backend.logs import configure_logging
from backend.settings import check_listening, load_settings
from backend.storage.opening import migrate_database


def web(
    port: Annotated[int | None, typer.Option(help="Port to listen on; overrides PORT.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; overrides HOST.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine though no credentials are set.")
    ] = False,
    follow_parent: Annotated[bool, typer.Option(help="End when the process that started this one is gone.")] = False,
) -> None:
    """Answer Label Studio on HOST:PORT, without the job worker. For workers on machines of their own."""
    from backend.api.server import WebServer

    overrides = {name: value for name, value in (("port", port), ("host", host)) if value is not None}
    settings = load_settings(**overrides)
    check_listening(settings, insecure=insecure)
    configure_logging(settings)
    if follow_parent:
        end_with_parent()
    else:
        refuse_taken_port(settings.host, settings.port, choose="with --port or PORT")
        migrate_database(settings)  # `serve`, the parent, has done so
    WebServer(settings).run()
