"""`fetched.csv`: what became of every address, written as soon as it is known."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from backend.files import write_atomically

JOURNAL = "fetched.csv"


@dataclass(frozen=True)
class Entry:
    """An address that is settled: with a file, or with the reason why it has none.

    Attributes:
        file: path of the photo below the folder; "" where there is none.
        digest: hex sha-256 of what the host sent; "" where it sent no photo.
    """

    url: str
    label: str = ""
    file: str = ""
    digest: str = ""
    reason: str = ""
    message: str = ""


COLUMNS = tuple(field.name for field in fields(Entry))


class Journal:
    """The entries by address; the last one of an address counts. Survives being killed in the middle of a line."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / JOURNAL
        self._entries: dict[str, Entry] = {}
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            text = ""
        whole = text[: text.rfind("\n") + 1]  # a run that was killed may have left half a line
        for row in csv.reader(io.StringIO(whole)):
            if len(row) == len(COLUMNS) and row[0] != COLUMNS[0]:
                self._entries[row[0]] = Entry(*row)
        self.compact()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, url: str) -> Entry | None:
        return self._entries.get(url)

    def add(self, entry: Entry) -> None:
        """Note what became of an address, on the disk at once."""
        self._entries[entry.url] = entry
        with self._path.open("a", encoding="utf-8", newline="") as stream:
            stream.write(_line(astuple(entry)))

    def compact(self) -> None:
        """Write one line for each address."""
        text = _line(COLUMNS) + "".join(_line(astuple(entry)) for entry in self)
        write_atomically(self._path, text)


def _line(cells: tuple[str, ...]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([" ".join(cell.split("\n")) for cell in cells])
    return buffer.getvalue()
