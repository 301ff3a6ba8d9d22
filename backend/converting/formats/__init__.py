"""The formats: one file each, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from backend.converting.format import Format
from backend.converting.formats.camtrap_dp import CamtrapDP
from backend.converting.formats.coco import Coco
from backend.converting.formats.csv_file import CsvFile
from backend.converting.formats.folders import Folders
from backend.converting.formats.label_studio import LabelStudioJson
from backend.converting.formats.timelapse import Timelapse

FORMATS: Mapping[str, Format] = {
    entry.name: entry for entry in (LabelStudioJson(), CsvFile(), Folders(), Coco(), Timelapse(), CamtrapDP())
}
"""By name; asked in this order which of them a source is, the plain CSV after Timelapse's."""
