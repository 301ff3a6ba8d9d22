"""`python -m backend fetch`: photos from lists of addresses, into class folders."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from backend.cli.console import messages, output, progress_bar
from backend.errors import SettingsError
from backend.settings import load_settings

INTERRUPTED = 130
SHOWN = 20


def fetch(
    urls: Annotated[
        str,
        typer.Option(
            help="List of addresses: one a line, a CSV with `url` and `class`, or ImageNet's `wnid url`; - = standard input."
        ),
    ],
    directory: Annotated[Path, typer.Option(help="Folder to fill, with one folder for each class.")],
    size: Annotated[
        int | None, typer.Option(min=32, help="Longest side in pixels; larger photos are scaled down.")
    ] = None,
    per_class: Annotated[int | None, typer.Option(min=1, help="Most photos of a class.")] = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Also write small copies into the hidden folder .thumbnails.")
    ] = False,
    concurrent: Annotated[int, typer.Option(min=1, max=64, help="Photos fetched at a time.")] = 8,
    per_host: Annotated[int, typer.Option(min=1, max=16, help="Of these from one host at a time.")] = 2,
    pause: Annotated[float, typer.Option(min=0, help="Seconds between two requests to a host.")] = 0.2,
) -> None:
    """Fetch photos from a list of addresses. A run that is broken off goes on; equal photos are kept once.

    Dead links, files that are no photos, and placeholders (one picture for three addresses of a host) are listed with
    their reason, here and in fetched.csv. A host that fails three times in a row is left for the next run. Addresses of
    private networks are refused unless ALLOWED_HOSTS names them.
    """
    from backend.collecting import FetchOptions, fetch_photos, read_list
    from backend.collecting.journal import JOURNAL
    from backend.collecting.lists import decoded_list

    try:
        data = sys.stdin.buffer.read() if urls == "-" else Path(urls).read_bytes()
    except OSError as error:
        raise SettingsError(f"--urls {urls} cannot be read: {error.strerror or error}.") from None
    wanted = read_list(decoded_list(data), "standard input" if urls == "-" else urls)
    options = FetchOptions(directory, size, per_class, thumbnails, concurrent, per_host, pause)
    try:
        with progress_bar() as bar:
            task = bar.add_task("Addresses", total=len(wanted))
            found = fetch_photos(
                wanted, options, load_settings(), lambda done, total: bar.update(task, completed=done, total=total)
            )
    except KeyboardInterrupt:
        messages().print("Stopped; the same command goes on from here.")
        raise typer.Exit(INTERRUPTED) from None
    for url, (reason, message) in islice(found.faults.items(), SHOWN):
        messages().print(f"{reason}: {message if url in message else f'{url}: {message}'}", markup=False)
    if len(found.faults) > SHOWN:
        messages().print(f"… and {len(found.faults) - SHOWN} more, all in {directory / JOURNAL}", markup=False)
    reasons = Counter(reason for reason, _ in found.faults.values())
    left_out = "".join(f", {count} {reason}" for reason, count in reasons.most_common())
    enough = f", {found.not_needed} not needed" if found.not_needed else ""
    output().print(
        f"{found.kept} photos in {directory}, {found.fetched} of them new; "
        f"left out: {found.duplicates} duplicates{left_out}{enough}",
        markup=False,
        soft_wrap=True,
    )
