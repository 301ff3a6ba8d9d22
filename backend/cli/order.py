"""`python -m backend order`: which photos of a folder to label first."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from backend.cli.console import messages, progress_bar
from backend.errors import LabelConfigError, SettingsError
from backend.files import atomic_file
from backend.settings import load_settings

if TYPE_CHECKING:
    from backend.folders.ranking import Place, Ranking

TOP = 5


def order(
    directory: Annotated[Path, typer.Option(help="Folder of photos; sub-folders are read too.")],
    labels: Annotated[Path, typer.Option(help="Label config, as in Label Studio.")] = Path("label_config.xml"),
    output: Annotated[Path | None, typer.Option(help="CSV file to write; default: standard output.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Query strategy. Default: STRATEGY.")] = None,
    window: Annotated[int, typer.Option(help="Places that are chosen one by one, each knowing those before it.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn at random.")] = 0,
) -> None:
    """Order a folder of photos by what their labels would teach, as CSV. Needs no Label Studio.

    One row for each readable photo, label first what comes first; photos that cannot be read are listed on standard
    error. `path, position, priority`, a column for each component of the priority (all in [0, 1], 1 = label sooner), the
    label that WordNet and ImageNet suggest with its probability, the five likeliest ImageNet classes, and the reason.
    """
    from backend import rank
    from backend.labels import parse_label_config
    from backend.service.projects.options import project_options

    settings = load_settings(**({"strategy": strategy} if strategy else {}))
    options = project_options(settings, {"window_size": window, "seed": seed}).order_options()
    config = parse_label_config(_read_config(labels))
    with _opened(output) as stream:  # before the photos are read: that may take hours
        with _progress() as progress:
            ordered = rank(directory, classes=config, options=options, settings=settings, progress=progress)
        try:
            write_csv(stream, ordered)
            stream.flush()
        except OSError as fault:
            raise _unwritable(output, fault) from None
    say = messages()
    for path, error in ordered.unreadable:
        say.print(f"unreadable: {path}: {error} ({error.reason})", markup=False)
    say.print(
        f"{ordered.count} photos in order, {len(ordered.unreadable)} unreadable"
        + (f", written to {output}" if output else ""),
        markup=False,
    )


def columns(components: Sequence[str]) -> list[str]:
    """The columns of the CSV file."""
    return [
        "path",
        "position",
        "priority",
        *components,
        "label",
        "probability",
        *(f"top{place}_wnid" for place in range(1, TOP + 1)),
        *(f"top{place}_name" for place in range(1, TOP + 1)),
        "reason",
    ]


def write_csv(stream: TextIO, ordered: Ranking[Path]) -> None:
    """Write the order as CSV, one row for each photo."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns(ordered.components))
    for place in ordered:
        writer.writerow(_row(place, ordered.components))


def _row(place: Place[Path], components: Sequence[str]) -> Iterator[object]:
    yield from (place.photo, place.position, f"{place.priority:.6f}")
    yield from (f"{place.components[name]:.6f}" for name in components)
    yield from (place.label, f"{place.probability:.6f}")
    top = [*place.top, *[("", "")] * (TOP - len(place.top))]  # a backbone may know nothing of ImageNet
    yield from (wnid for wnid, _ in top)
    yield from (name for _, name in top)
    yield place.reason


def _read_config(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LabelConfigError(f"There is no label config {path}: name one with --labels.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise LabelConfigError(f"The label config {path} cannot be read: {error}") from None


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar that appears with the first photo: what fails before leaves none behind."""
    bar = progress_bar()
    task = bar.add_task("Reading photos", total=None)

    def progress(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield progress
    finally:
        if bar.live.is_started:
            bar.stop()


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Where to write: a file gets its name when it is complete; one that is there stays as it is until then.

    Raises:
        SettingsError: it cannot be written, which is found out at once.
    """
    if output is None:
        yield sys.stdout
        return
    in_place = output.exists() and not output.is_file()  # a device or a pipe; a folder is refused
    with ExitStack() as opened:
        try:
            binary = opened.enter_context(output.open("wb") if in_place else atomic_file(output))
        except OSError as error:
            raise _unwritable(output, error) from None
        text = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


def _unwritable(output: Path | None, error: OSError) -> SettingsError:
    return SettingsError(f"--output {output or '(standard output)'} cannot be written: {error.strerror or error}")
