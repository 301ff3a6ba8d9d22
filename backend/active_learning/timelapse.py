"""Batches in the form of Timelapse, the image analyser for camera traps: its CSV, and its template.

The template (.tdb) is an SQLite file with a table of controls, as the Timelapse Template Editor writes it.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from backend.errors import BackendError

COLUMNS = ("File", "RelativePath", "Folder", "DateTime", "Label", "ImageQuality", "DeleteFlag", "Probability", "Crop")
TEMPLATE_FILE = "TimelapseTemplate.tdb"
QUALITIES = ("Ok", "Dark", "Corrupted", "Missing")
TRUE = frozenset(("true", "1", "yes"))


@dataclass(frozen=True)
class TimelapseRow:
    """One picture; `relative_path` is the folder below the root with `/` between its parts, "" for the root."""

    file: str
    relative_path: str
    folder: str = ""
    date_time: str = ""
    label: str = ""
    image_quality: str = "Ok"
    delete: bool = False
    probability: str = ""
    crop: str = ""

    @property
    def key(self) -> str:
        """The picture's path below the root, with `/` between its parts."""
        return str(PurePosixPath(self.relative_path) / self.file)


@dataclass
class Answered:
    """What came back from a person.

    Attributes:
        labels: by the key of the picture, its label.
        deleted: keys of pictures that are to leave.
        unlabelled: keys of rows without a label.
        unknown_files: keys that were not asked about.
        unknown_labels: by key, a label that is no class.
    """

    labels: dict[str, str] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    unknown_files: list[str] = field(default_factory=list)
    unknown_labels: dict[str, str] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """What could not be taken, one sentence each."""
        found = [f"{key}: was not asked about" for key in self.unknown_files]
        found += [f"{key}: label {label!r} is none of the classes" for key, label in self.unknown_labels.items()]
        return [*found, *(f"{key}: no label" for key in self.unlabelled)]


def write_rows(rows: Iterable[TimelapseRow]) -> str:
    """The CSV, with `\\` in paths as Timelapse writes them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(
            [
                row.file,
                row.relative_path.replace("/", "\\"),
                row.folder,
                row.date_time,
                row.label,
                row.image_quality,
                "true" if row.delete else "false",
                row.probability,
                row.crop,
            ]
        )
    return text.getvalue()


def read_rows(data: bytes, name: str) -> list[TimelapseRow]:
    """The rows of a CSV: any order of columns, UTF-8 or Windows-1252, comma, semicolon or tab, `/` or `\\` in paths.

    Raises:
        BackendError: it has no column `File` or no column `Label`; names the file and the columns that it has.
    """
    text = decoded(data)
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = {column.strip().lower(): column for column in reader.fieldnames or () if column}
    missing = [column for column in ("File", "Label") if column.lower() not in columns]
    if missing:
        raise BackendError(
            f"{name}: no column {' and no column '.join(missing)}; it has: {', '.join(columns) or 'none'}.",
            reason="bad_answers",
        )

    def cell(row: Mapping[str, str | None], column: str) -> str:
        return (row.get(columns.get(column.lower(), "")) or "").strip()

    rows = []
    for row in reader:
        if not cell(row, "File"):
            continue
        path = PurePosixPath(cell(row, "RelativePath").replace("\\", "/")) / cell(row, "File").replace("\\", "/")
        folder = "" if path.parent == PurePosixPath(".") else str(path.parent)
        rows.append(
            TimelapseRow(
                path.name,
                folder,
                cell(row, "Folder"),
                cell(row, "DateTime"),
                cell(row, "Label"),
                cell(row, "ImageQuality"),
                cell(row, "DeleteFlag").lower() in TRUE,
                cell(row, "Probability"),
                cell(row, "Crop"),
            )
        )
    return rows


def decoded(data: bytes) -> str:
    """Text in UTF-8, with or without a mark at its start, else in Windows-1252."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def match_answers(rows: Sequence[TimelapseRow], asked: Sequence[str], classes: Sequence[str]) -> Answered:
    """Sort what came back by what can be done with it; a later row of a picture replaces an earlier one.

    Labels are matched exactly, then without regard to case.
    """
    wanted = set(asked)
    exact = set(classes)
    folded = {name.casefold(): name for name in reversed(classes)}
    found = Answered()
    for row in {row.key: row for row in rows}.values():
        label = row.label if row.label in exact else folded.get(row.label.casefold())
        if row.key not in wanted:
            found.unknown_files.append(row.key)
        elif row.delete:
            found.deleted.append(row.key)
        elif not row.label:
            found.unlabelled.append(row.key)
        elif label is None:
            found.unknown_labels[row.key] = row.label
        else:
            found.labels[row.key] = label
    return found


def write_template(path: Path, classes: Sequence[str]) -> None:
    """Write a Timelapse template with a choice of the classes; an older one is replaced."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.unlink(missing_ok=True)
    database = sqlite3.connect(temporary)
    try:
        database.execute(
            "CREATE TABLE TemplateTable (Id INTEGER PRIMARY KEY AUTOINCREMENT, ControlOrder INTEGER, "
            "SpreadsheetOrder INTEGER, Type TEXT, DefaultValue TEXT, Label TEXT, DataLabel TEXT, Tooltip TEXT, "
            "Visible TEXT, List TEXT, ExportToCSV TEXT DEFAULT 'true', TXTBOXWIDTH TEXT, Copyable TEXT)"
        )
        database.executemany(
            "INSERT INTO TemplateTable (ControlOrder, SpreadsheetOrder, Type, DefaultValue, Label, DataLabel, Tooltip, "
            "Visible, List, ExportToCSV, TXTBOXWIDTH, Copyable) VALUES (?, ?, ?, ?, ?, ?, ?, 'true', ?, 'true', ?, ?)",
            [(place, place, *control) for place, control in enumerate(_controls(classes), start=1)],
        )
        database.commit()
    finally:
        database.close()
    temporary.replace(path)


def _controls(classes: Sequence[str]) -> list[tuple[str, str, str, str, str, str, str, str]]:
    """(type, default, label, data label, tooltip, list, width, copyable) of each control."""

    def choices(names: Sequence[str], *, empty: bool) -> str:
        return json.dumps({"IncludeEmptyChoice": empty, "ChoiceListNonEmpty": list(names)}, ensure_ascii=False)

    return [
        ("File", "", "File", "File", "The file's name", "", "100", "false"),
        ("RelativePath", "", "RelativePath", "RelativePath", "The folder below the root", "", "100", "false"),
        ("Note", "", "Folder", "Folder", "The root folder", "", "100", "false"),
        ("DateTime", "1900-01-01 12:00:00", "DateTime", "DateTime", "When the photo was taken", "", "160", "false"),
        ("FixedChoice", "", "Label", "Label", "What the picture shows", choices(classes, empty=True), "160", "true"),
        (
            "FixedChoice",
            "Ok",
            "ImageQuality",
            "ImageQuality",
            "How good the picture is",
            choices(QUALITIES, empty=True),
            "80",
            "true",
        ),
        ("DeleteFlag", "false", "Delete?", "DeleteFlag", "Leave this picture out", "", "20", "false"),
        ("Note", "", "Probability", "Probability", "How sure the suggestion is", "", "60", "false"),
        ("Note", "", "Crop", "Crop", "Box of a detection in its photo: x y width height", "", "120", "false"),
    ]
