"""Lists of addresses: one a line, a CSV with `url` and `class`, or ImageNet's `wnid url` lines."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from backend.errors import BackendError

_IMAGENET = re.compile(r"^(n\d{8})(_\S+)?\s+(\S+)$")
_CLASS_COLUMNS = ("class", "label", "category")
_UNSAFE = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')


@dataclass(frozen=True)
class ListedPhoto:
    """An address, and the class folder that its photo goes into ("" = none)."""

    url: str
    label: str = ""


def decoded_list(data: bytes) -> str:
    """The text of a list: UTF-8, with or without a mark at its start, else Windows-1252 (as ImageNet's lists are)."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def read_list(text: str, name: str) -> list[ListedPhoto]:
    """The addresses of a list, each once (the first counts); `#` starts a comment line.

    Args:
        text: one address a line; or a CSV (comma, semicolon or tab) with `url` and perhaps `class` in its header; or
            lines `url,class`; or ImageNet's lines `wnid url`, whose class is the WordNet id.
        name: of the list, for messages.

    Raises:
        BackendError: there is no address in it, or a CSV has no column `url`; names the list.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise BackendError(f"{name}: no addresses in it.", reason="bad_list")
    found = _csv(lines, name) if _looks_like_csv(lines[0]) else _pairs(lines) or [_line(line) for line in lines]
    first: dict[str, ListedPhoto] = {}
    for item in found:
        first.setdefault(item.url, item)
    return list(first.values())


def folder_name(label: str) -> str:
    """A label as the name of a folder on any system; never one that leads elsewhere."""
    return _UNSAFE.sub("_", label).strip(" .") or "unnamed"


def _looks_like_csv(line: str) -> bool:
    return ("://" not in line and any(separator in line for separator in ",;\t")) or line.lower() == "url"


def _csv(lines: list[str], name: str) -> list[ListedPhoto]:
    delimiter = max(",;\t", key=lines[0].count)
    reader = csv.DictReader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    columns = {column.strip().lower(): column for column in reader.fieldnames or () if column}
    if "url" not in columns:
        raise BackendError(f"{name}: no column url; it has: {', '.join(columns)}.", reason="bad_list")
    label = next((columns[column] for column in _CLASS_COLUMNS if column in columns), None)
    rows = ((row.get(columns["url"]) or "", (row.get(label) or "") if label else "") for row in reader)
    return [ListedPhoto(url.strip(), of.strip()) for url, of in rows if url.strip()]


def _pairs(lines: list[str]) -> list[ListedPhoto] | None:
    """Lines `url,class` without a header; None unless all are, since an address may have commas in it."""
    delimiter = next((separator for separator in "\t;," if separator in lines[0]), None)
    if delimiter is None:
        return None
    rows = list(csv.reader(lines, delimiter=delimiter))
    if any(len(row) != 2 or "://" not in row[0] or not row[1].strip() or set(row[1]) & set("/=?&") for row in rows):
        return None
    return [ListedPhoto(url.strip(), label.strip()) for url, label in rows]


def _line(line: str) -> ListedPhoto:
    imagenet = _IMAGENET.match(line)
    return ListedPhoto(imagenet.group(3), imagenet.group(1)) if imagenet else ListedPhoto(line)
