"""`python -m backend`: the registry of commands, and the one place where their errors are shown.

To add a command: a file in this folder with one function, and its line in COMMANDS.
Command files import packages that load slowly inside the function, so that `--help` answers at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from backend.cli.attribute import attribute
from backend.cli.backbones import backbones
from backend.cli.backup import backup, restore
from backend.cli.connect import connect
from backend.cli.console import messages
from backend.cli.convert import convert
from backend.cli.demo import demo
from backend.cli.doctor import doctor
from backend.cli.evaluate import evaluate
from backend.cli.export import export
from backend.cli.fetch import fetch
from backend.cli.forget import forget
from backend.cli.label_image import label_image
from backend.cli.models import models
from backend.cli.order import order
from backend.cli.retrain import retrain
from backend.cli.run import run
from backend.cli.serve import serve
from backend.cli.settings import settings
from backend.cli.setup import setup
from backend.cli.simulate import simulate
from backend.cli.strategies import strategies
from backend.cli.train import train
from backend.cli.web import web
from backend.cli.worker import worker
from backend.errors import BackendError

COMMANDS: tuple[Callable[..., None], ...] = (
    setup,
    demo,
    serve,
    web,
    worker,
    connect,
    doctor,
    backup,
    restore,
    forget,
    order,
    fetch,
    convert,
    run,
    retrain,
    label_image,
    evaluate,
    attribute,
    train,
    export,
    simulate,
    backbones,
    strategies,
    settings,
)

GROUPS: dict[str, typer.Typer] = {"models": models}

EXIT_MISTAKE = 2

# --image_dir is --image-dir: scripts for older programs run unchanged.
SPELLINGS: dict[str, Any] = {"token_normalize_func": lambda name: name.replace("_", "-")}


class _Group(TyperGroup):
    """Shows an error that we raised on purpose as one message, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BackendError as error:
            messages().print(f"[red]Error:[/red] {escape(str(error))}")
            raise typer.Exit(EXIT_MISTAKE) from None


def build_app() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        cls=_Group,
        name="python -m backend",
        help="Pre-annotates photos in Label Studio and orders the labelling queue by what each label would teach.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_prepare)
    for command in COMMANDS:
        app.command(context_settings=SPELLINGS)(command)
    for name, group in GROUPS.items():
        app.add_typer(group, name=name)
    return app


def _prepare(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done, to standard error.")] = False,
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def main() -> None:
    """Run the command that the arguments name."""
    build_app()()
