"""The working folder of a loop: everything that is known, in files that a person can read; each written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from backend.active_learning.timelapse import TEMPLATE_FILE, TimelapseRow, write_rows, write_template
from backend.errors import SettingsError
from backend.files import atomic_folder, write_atomically

README = """What is what in this folder of `python -m backend run`

settings.json      the classes and options that the loop was started with
labels.txt         the label bin: one class a line, its number is its line
answers.csv        every answer so far: picture, label (empty: set aside), batch
batches/batch_NNN  a batch to label: batch.csv with the suggestions, TimelapseTemplate.tdb, and the pictures.
                   Label it in Timelapse or a spreadsheet and save the CSV as labelled.csv beside batch.csv.
                   answered.json says what was taken from it, problems.txt what could not be.
checkpoints/       answers and validation as they stood after each batch
validation/        results.csv (accuracy after each batch), curve.png, confusion_NNN.csv and .png
predictions.csv    what the model now says of every picture
counts.csv         with --detections: how many of each class every photo shows
export/latest      the model trained on all answers; export/best: on those up to the batch with the best validation

Kill the loop whenever you like: the same command goes on, and loses at most the step under way.
"""


@dataclass(frozen=True)
class Result:
    """Validation after a batch; `answers` in all, the rest as in `Evaluation`."""

    batch: int
    answers: int
    photos: int
    accuracy: float
    low: float
    high: float
    macro_f1: float


class WorkDir:
    """The files of one loop."""

    def __init__(self, folder: Path) -> None:
        """Make the folder.

        Raises:
            SettingsError: it cannot be made.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / "README.txt", README)
        except OSError as error:
            raise SettingsError(f"--working-dir {folder} cannot be written: {error.strerror or error}.") from None

    def open(self, settings: Mapping[str, Any], classes: Sequence[str]) -> None:
        """Note what the loop works with.

        Raises:
            SettingsError: the folder belongs to a loop over other photos or classes.
        """
        path = self.folder / "settings.json"
        document = {**settings, "classes": list(classes)}
        if path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            for name in ("classes", "unlabelled", "detections", "confidence"):
                if before.get(name) != document.get(name):
                    raise SettingsError(
                        f"--working-dir {self.folder} belongs to a loop with other {name} ({before.get(name)}): "
                        "name another folder, or the same photos and classes."
                    )
        write_atomically(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        write_atomically(self.folder / "labels.txt", "\n".join(classes) + "\n")

    def batch_folder(self, number: int) -> Path:
        return self.folder / "batches" / f"batch_{number:03d}"

    def asked(self, number: int) -> list[str] | None:
        """Keys of a batch in order; None where it was not made yet."""
        try:
            keys = json.loads((self.batch_folder(number) / "asked.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return [str(key) for key in keys]

    def is_answered(self, number: int) -> bool:
        return (self.batch_folder(number) / "answered.json").exists()

    def write_batch(
        self, number: int, rows: Sequence[TimelapseRow], classes: Sequence[str], pictures: Mapping[str, Path | bytes]
    ) -> Path:
        """Make the folder of a batch: CSV, template and pictures (linked or copied, or their bytes); returns the CSV."""
        target = self.batch_folder(number)
        with atomic_folder(target) as temporary:
            for key, picture in pictures.items():
                _place(temporary / key, picture)
            (temporary / "batch.csv").write_text(write_rows(rows), encoding="utf-8", newline="")
            write_template(temporary / TEMPLATE_FILE, classes)
            (temporary / "asked.json").write_text(json.dumps([row.key for row in rows]), encoding="utf-8")
        return target / "batch.csv"

    def clear_leftovers(self) -> None:
        """Remove what a killed run left half-made."""
        for path in (self.folder / "batches").glob(".batch_*"):
            shutil.rmtree(path, ignore_errors=True)

    def answers(self) -> dict[str, tuple[str, int]]:
        """(label, batch) by key; label "" is set aside."""
        try:
            with (self.folder / "answers.csv").open(encoding="utf-8", newline="") as stream:
                return {row["picture"]: (row["label"], int(row["batch"])) for row in csv.DictReader(stream)}
        except FileNotFoundError:
            return {}

    def record(self, number: int, labels: Mapping[str, str], problems: Sequence[str]) -> None:
        """Take the answers of a batch; taking them twice is taking them once."""
        known = self.answers() | {key: (label, number) for key, label in labels.items()}
        rows = [(key, label, batch) for key, (label, batch) in known.items()]
        text = _csv(("picture", "label", "batch"), sorted(rows, key=lambda row: (row[2], row[0])))
        write_atomically(self.folder / "answers.csv", text)
        write_atomically(self.folder / "checkpoints" / f"batch_{number:03d}" / "answers.csv", text)
        folder = self.batch_folder(number)
        if problems:
            write_atomically(folder / "problems.txt", "\n".join(problems) + "\n")
        write_atomically(
            folder / "answered.json", json.dumps({"answers": len(labels), "problems": len(problems)}) + "\n"
        )

    def results(self) -> list[Result]:
        """Validation so far, in the order of the batches."""
        try:
            with (self.folder / "validation" / "results.csv").open(encoding="utf-8", newline="") as stream:
                return [_result(row) for row in csv.DictReader(stream)]
        except FileNotFoundError:
            return []

    def add_result(self, result: Result) -> list[Result]:
        """Keep the validation after a batch; returns all."""
        results = [item for item in self.results() if item.batch != result.batch]
        results = sorted([*results, result], key=lambda item: item.batch)
        names = tuple(field.name for field in fields(Result))
        self.write_csv("validation/results.csv", names, [tuple(asdict(item).values()) for item in results])
        write_atomically(
            self.folder / "checkpoints" / f"batch_{result.batch:03d}" / "validation.json",
            json.dumps(asdict(result), indent=1) + "\n",
        )
        return results

    def write_csv(self, name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table below the folder."""
        write_atomically(self.folder / name, _csv(header, rows))


def _result(row: Mapping[str, str]) -> Result:
    return Result(
        int(row["batch"]),
        int(row["answers"]),
        int(row["photos"]),
        float(row["accuracy"]),
        float(row["low"]),
        float(row["high"]),
        float(row["macro_f1"]),
    )


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _place(target: Path, picture: Path | bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(picture, bytes):
        target.write_bytes(picture)
        return
    try:
        os.link(picture.resolve(), target)
    except OSError:  # another disk, or one without links
        shutil.copy2(picture, target)
