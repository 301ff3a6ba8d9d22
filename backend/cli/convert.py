"""`python -m backend convert`: labelled photos from one program's form into another's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.cli.console import messages, output
from backend.errors import SettingsError
from backend.settings import load_settings

KNOWN = "label-studio, csv, folders, coco, timelapse, camtrap-dp"


def convert(
    source: Annotated[Path, typer.Option("--input", help="File or folder to read.")],
    target: Annotated[Path, typer.Option("--output", help="File or folder to write.")],
    to: Annotated[str, typer.Option("--to", help=f"Its format: {KNOWN}.")],
    of: Annotated[
        str | None,
        typer.Option("--from", help="Format of the source. Default: what it looks like.", show_default=False),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder that the paths of the photos start in. Default: that of the source.", show_default=False
        ),
    ] = None,
    label_config: Annotated[
        Path | None,
        typer.Option(help="Label Studio: label config of the project; its first control takes the labels."),
    ] = None,
    photos_at: Annotated[
        str, typer.Option(help="Label Studio: what goes before a photo's path in a task.")
    ] = "/data/local-files/?d=",
    utc_offset: Annotated[str, typer.Option(help="Camtrap DP: what the cameras' clocks show, as Z or +01:00.")] = "Z",
) -> None:
    """Convert between Label Studio's JSON, CSV, class folders, COCO, Timelapse's CSV and Camtrap DP.

    Everything that the target can hold is kept; what it cannot is told, a sentence for each kind. Paths of photos stay
    as they are; only class folders get the photos themselves (links where the disk allows, else copies).
    """
    import re

    from backend.converting import ConvertOptions
    from backend.converting import convert as convert_photos
    from backend.converting.format import Names

    if not re.fullmatch(r"Z|[+-]\d{2}:\d{2}", utc_offset):
        raise SettingsError(f"--utc-offset {utc_offset}: write it as Z, +01:00 or -05:00.")
    control = None
    if label_config is not None:
        from backend.labels.config import parse_label_config

        try:
            control = parse_label_config(label_config.read_text(encoding="utf-8")).controls[0]
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"--label-config {label_config} cannot be read: {error}") from None
    names = Names(control, photos_at, utc_offset, (photos or source).resolve().stem)
    options = ConvertOptions(source, target, to, of, photos, names)
    done = convert_photos(options, load_settings().max_image_bytes)
    for sentence in (*done.written.notes, *done.losses, *done.to_do):
        messages().print(sentence, markup=False)
    output().print(
        f"{len(done.written.photos)} photos, {len(done.written.classes)} classes: "
        f"{source} ({done.source_format}) to {target} ({to})",
        markup=False,
        soft_wrap=True,
    )
