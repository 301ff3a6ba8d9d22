"""The photos that were kept: each once, in its class folder, and none that a host shows instead of photos that are gone."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from backend.collecting.hosts import host_of
from backend.collecting.journal import Entry, Journal
from backend.collecting.lists import folder_name
from backend.collecting.pictures import THUMBNAIL, scaled
from backend.decoding import Decode
from backend.files import write_atomically

THUMBNAILS = ".thumbnails"  # hidden, so that no command takes them for photos
SAME_PICTURE = 3  # so many addresses of one host with one picture: what it shows instead of photos that are gone


class KeptPhotos:
    """Files, and what the journal knows of them.

    Args:
        decode: for thumbnails; None: none are made.
    """

    def __init__(self, directory: Path, journal: Journal, decode: Decode | None) -> None:
        self._directory = directory
        self._decode = decode
        self._owner: dict[str, Entry] = {}  # the entry with the file, by digest
        self._same: defaultdict[str, dict[str, Entry]] = defaultdict(dict)  # entries by digest and address
        self._placeholders: set[str] = set()
        self._counts: Counter[str] = Counter()
        for entry in journal:
            if entry.reason == "placeholder" and entry.digest:
                self._placeholders.add(entry.digest)
            elif entry.file and (directory / entry.file).is_file():
                self._own(entry)
            if entry.digest:
                self._same[entry.digest][entry.url] = entry

    def count(self, label: str) -> int:
        """How many photos a class has."""
        return self._counts[label]

    def is_known(self, digest: str) -> bool:
        """Whether these bytes need not be looked at: they are kept already, or a placeholder."""
        return digest in self._owner or digest in self._placeholders

    def add(self, entry: Entry, data: bytes) -> list[Entry]:
        """Keep a photo; the entries that changed by it, its own last. Without a digest it is noted as it is.

        `entry.file` holds the ending of the name; empty where the bytes are known.
        """
        if not entry.digest:
            return [entry]
        entry = replace(entry, file=entry.file and self._name(entry))
        self._same[entry.digest][entry.url] = entry
        alike = [other for other in self._same[entry.digest].values() if host_of(other.url) == host_of(entry.url)]
        if entry.digest in self._placeholders or len(alike) >= SAME_PICTURE:
            return self._reject(entry, len(alike))
        owner = self._owner.get(entry.digest)
        if owner is not None and owner.url != entry.url:
            text = f"the same photo as {owner.url}"
            return [self._noted(replace(entry, file="", reason="duplicate", message=text))]
        target = self._directory / entry.file
        write_atomically(target, data)
        if self._decode is not None:
            write_atomically(self._thumbnail_of(entry), scaled(self._decode, data, THUMBNAIL))
        self._own(entry)
        return [entry]

    def make_missing_thumbnails(self) -> None:
        """Thumbnails of photos that were fetched without."""
        for entry in self._owner.values() if self._decode is not None else ():
            path = self._thumbnail_of(entry)
            if self._decode is not None and not path.exists():
                write_atomically(path, scaled(self._decode, (self._directory / entry.file).read_bytes(), THUMBNAIL))

    def _reject(self, entry: Entry, count: int) -> list[Entry]:
        """One picture under many addresses of a host is what it shows instead of photos that are gone."""
        self._placeholders.add(entry.digest)
        owner = self._owner.pop(entry.digest, None)
        if owner is not None:
            (self._directory / owner.file).unlink(missing_ok=True)
            self._thumbnail_of(owner).unlink(missing_ok=True)
            self._counts[owner.label] -= 1
        text = f"the host gives this picture for {max(count, SAME_PICTURE)} addresses or more"
        changed = [other for other in self._same[entry.digest].values() if other.url != entry.url]
        return [
            self._noted(replace(other, file="", reason="placeholder", message=text))
            for other in (*changed, entry)
            if other.reason != "placeholder"
        ]

    def _noted(self, entry: Entry) -> Entry:
        self._same[entry.digest][entry.url] = entry
        return entry

    def _own(self, entry: Entry) -> None:
        self._owner[entry.digest] = entry
        self._counts[entry.label] += 1

    def _name(self, entry: Entry) -> str:
        folder = f"{folder_name(entry.label)}/" if entry.label else ""
        return f"{folder}{entry.digest[:20]}{entry.file}"

    def _thumbnail_of(self, entry: Entry) -> Path:
        return (self._directory / THUMBNAILS / entry.file).with_suffix(".jpg")
