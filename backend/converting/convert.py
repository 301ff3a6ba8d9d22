"""From one form into another, with a sentence for everything that is lost on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from backend.converting.files import PhotoFiles
from backend.converting.format import Format, Names, bad_data
from backend.converting.formats import FORMATS
from backend.converting.records import Dataset, Photo
from backend.converting.reduction import reduced_to
from backend.errors import NotFoundError, SettingsError


@dataclass(frozen=True)
class ConvertOptions:
    """The options of `convert`, as its `--help` tells them."""

    source: Path
    target: Path
    target_format: str
    source_format: str | None = None
    photos: Path | None = None
    names: Names = field(default_factory=Names)


@dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes:
        notes: what the source holds beyond our knowledge, and what in it is damaged.
        losses: what the target cannot hold.
        to_do: what is left for a person.
    """

    source_format: str
    written: Dataset
    losses: tuple[str, ...]
    to_do: tuple[str, ...]


def convert(options: ConvertOptions, max_bytes: int) -> Converted:
    """Read, fit, write.

    Raises:
        BackendError: the source is missing, or of no known format, or the target cannot be written.
    """
    source = source_format(options.source, options.source_format)
    target = _named(options.target_format, "--to")
    if options.target.is_dir() and not target.is_folder:
        raise SettingsError(f"--output {options.target} is a folder: {target.name} is a file, name one.")
    if options.target.is_file() and target.is_folder:
        raise SettingsError(f"--output {options.target} is a file: {target.name} is a folder, name one.")
    root = options.photos or (options.source if options.source.is_dir() else options.source.parent)
    files = PhotoFiles(root, max_bytes)
    dataset = source.read(options.source, files, options.names)
    dataset = replace(dataset, photos=tuple(_completed(photo, target, files) for photo in dataset.photos))
    kept, losses = reduced_to(dataset, target)
    try:
        to_do = target.write(kept, options.target, files, options.names)
    except OSError as error:
        raise SettingsError(f"--output {options.target} cannot be written: {error.strerror or error}.") from None
    return Converted(source.name, kept, tuple(losses), tuple(to_do))


def source_format(path: Path, name: str | None) -> Format:
    """The format of a source: the one that is named, else the first that it looks like.

    Raises:
        NotFoundError: there is no such source.
        BackendError: it looks like none; names them all.
    """
    if not path.exists():
        raise NotFoundError(f"There is no {path}: give an existing file or folder to --input.")
    if name is not None:
        return _named(name, "--from")
    for entry in FORMATS.values():
        if entry.recognises(path):
            return entry
    raise bad_data(path, f"looks like none of {', '.join(FORMATS)}; say with --from which it is.")


def _named(name: str, option: str) -> Format:
    if name not in FORMATS:
        raise SettingsError(f"{option} {name}: unknown; known: {', '.join(FORMATS)}.")
    return FORMATS[name]


def _completed(photo: Photo, target: Format, files: PhotoFiles) -> Photo:
    """What the target needs and the photo's own file tells."""
    if target.needs_sizes_of_boxes and photo.size is None and any(item.box for item in photo.observations):
        photo = replace(photo, size=files.size_of(photo.path))
    if target.needs_times and not photo.taken:
        photo = replace(photo, taken=files.taken(photo.path))
    return photo
