"""`backup` and `restore`: the state of the backend in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.cli.console import output
from backend.settings import load_settings


def backup(
    file: Annotated[Path, typer.Argument(help="The tar file to write; it must not exist yet.")],
) -> None:
    """Write database, annotations, trained models and snapshots to a file. The server may run meanwhile."""
    from backend.storage.backup import back_up

    held = back_up(load_settings(), file)
    output().print(f"{file}: {', '.join(held)}; {file.stat().st_size / 1e6:.1f} MB", markup=False)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
) -> None:
    """Put a backup into STATE_DIR, which must hold no database yet; then start `serve`."""
    from backend.storage.backup import restore as put_back

    settings = load_settings()
    put_back(settings, file)
    output().print(f"Restored into {settings.state_dir}. Start `python -m backend serve`.", markup=False)
