"""The CSV of Timelapse: a row for each picture, with one label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from backend.active_learning.timelapse import TEMPLATE_FILE, TimelapseRow, read_rows, write_rows, write_template
from backend.converting.files import PhotoFiles
from backend.converting.format import Capability, Format, Names, bad_data
from backend.converting.records import Dataset, Observation, Photo
from backend.converting.tables import header_of, share, time_of
from backend.files import write_atomically

_NO_DATE = "1900-01-01"  # Timelapse's own for a picture without one


class Timelapse(Format):
    """`File`, `RelativePath`, `DateTime`, `Label`, `ImageQuality`, `DeleteFlag`; a template with the choices beside it."""

    name = "timelapse"
    holds = frozenset(
        (Capability.UNLABELLED, Capability.TIMES, Capability.LEFT_OUT, Capability.QUALITY, Capability.SCORES)
    )

    def recognises(self, path: Path) -> bool:
        return path.suffix.lower() == ".csv" and {"file", "relativepath"} <= set(header_of(path))

    def read(self, path: Path, files: PhotoFiles, names: Names) -> Dataset:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise bad_data(path, f"cannot be read: {error.strerror or error}.") from None
        notes = []
        photos: dict[str, Photo] = {}
        for row in read_rows(data, str(path)):
            try:
                score = share(row.probability)
            except ValueError as error:
                score = None
                notes.append(f"{row.key}: its probability is left out: {error}")
            photos[row.key] = Photo(
                row.key,
                (Observation(row.label, None, score),) if row.label else (),
                "" if row.date_time.startswith(_NO_DATE) else time_of(row.date_time),
                left_out=row.delete,
                quality="" if row.image_quality.lower() == "ok" else row.image_quality,
            )
        made = Dataset(tuple(photos.values()), notes=tuple(notes))
        return replace(made, classes=made.used_classes)

    def write(self, dataset: Dataset, path: Path, files: PhotoFiles, names: Names) -> list[str]:
        rows = [_row(photo, names.title) for photo in dataset.photos]
        write_atomically(path, write_rows(rows))
        write_template(path.parent / TEMPLATE_FILE, dataset.classes)
        return [f"{path.parent / TEMPLATE_FILE} has the classes as choices"]

    def problem(self, photo: Photo) -> str | None:
        if "\\" in photo.path or str(PurePosixPath(photo.path)) != photo.path:
            return "its path cannot be written with Timelapse's \\"
        return None


def _row(photo: Photo, title: str) -> TimelapseRow:
    path = PurePosixPath(photo.path)
    seen = photo.observations[0] if photo.observations else Observation("")
    return TimelapseRow(
        path.name,
        "" if path.parent == PurePosixPath(".") else str(path.parent),
        title,
        photo.taken,
        seen.label,
        photo.quality or "Ok",
        photo.left_out,
        "" if seen.score is None else repr(seen.score),
    )
