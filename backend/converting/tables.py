"""CSV files as people have them: any common separator and encoding, columns in any order."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from backend.active_learning.timelapse import decoded
from backend.converting.format import bad_data

Row = Mapping[str, str]

_TIME = re.compile(r"^(\d{4})[-/:](\d{2})[-/:](\d{2})[T ](\d{2}):(\d{2})(?::(\d{2}))?")


def read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns in small letters, and rows by column, all cells without blanks around them.

    Raises:
        BackendError: it cannot be read, or is empty.
    """
    try:
        text = decoded(path.read_bytes())
    except OSError as error:
        raise bad_data(path, f"cannot be read: {error.strerror or error}.") from None
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    rows = [row for row in reader if row]
    if not rows:
        raise bad_data(path, "is empty; a header with the names of the columns is needed.")
    columns = [name.strip().lower() for name in rows[0]]
    return columns, [dict(zip(columns, map(str.strip, row), strict=False)) for row in rows[1:]]


def header_of(path: Path) -> list[str]:
    """The columns of a CSV in small letters; empty where it is none."""
    try:
        with path.open("rb") as stream:
            line = decoded(stream.readline(65_536))
    except OSError:
        return []
    row = next(csv.reader([line.strip()], delimiter=max(",;\t", key=line.count)), [])
    return [name.strip().lower() for name in row]


def table_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV with commas; None is an empty cell, numbers keep all their digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    return text.getvalue()


def share(text: str) -> float | None:
    """A number in [0, 1]; None where the cell is empty.

    Raises:
        ValueError: it is none.
    """
    if not text:
        return None
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError(f"{text} does not lie in [0, 1]")
    return number


def time_of(text: str) -> str:
    """`2024-05-31 06:12:09` from any common spelling, without its zone; "" where it is none."""
    found = _TIME.match(text.strip())
    if found is None:
        return ""
    year, month, day, hour, minute, second = found.groups(default="00")
    return f"{year}-{month}-{day} {hour}:{minute}:{second}"
