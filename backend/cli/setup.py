"""`python -m backend setup`: everything that is fetched or compiled, ahead of the first start."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.console import messages
from backend.settings import load_settings


def setup(
    backbone: Annotated[
        str | None, typer.Option(help="Prepare this backbone instead of the one that BACKBONE names.")
    ] = None,
) -> None:
    """Compile WordNet, fetch the weights of the backbone and compile it. What is there already is kept."""
    from backend.backbones import open_settings_backbone
    from backend.labels import ensure_wordnet
    from backend.storage.opening import make_weights_folder

    given = load_settings(**({"backbone": backbone} if backbone else {}))
    say = messages()
    with say.status("WordNet: compiling (some seconds the first time) …"):
        make_weights_folder(given)
        corpus = ensure_wordnet(given.resolved_wordnet_dir)
    say.print(f"WordNet: {corpus}")
    with say.status(
        f"Backbone {given.backbone}: weights, then compiling and calibrating int8 (some minutes the first time) …"
    ):
        opened = open_settings_backbone(given)
    say.print(f"Backbone: {opened.id}, in {given.resolved_weights_dir}")
