"""Validation of a loop as pictures and tables."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.active_learning.workdir import Result, WorkDir
from backend.files import write_atomically
from backend.retraining.pictures import confusion_picture


def write_confusion(work: WorkDir, number: int, matrix: NDArray[np.int64], classes: Sequence[str]) -> None:
    """The confusion matrix after a batch, rows: true classes."""
    rows = [(name, *counts.tolist()) for name, counts in zip(classes, matrix, strict=True)]
    work.write_csv(f"validation/confusion_{number:03d}.csv", ("true \\ predicted", *classes), rows)
    buffer = io.BytesIO()
    Image.fromarray(confusion_picture(matrix, classes)).save(buffer, format="PNG")
    _write(work, f"confusion_{number:03d}.png", buffer.getvalue())


def write_curve(work: WorkDir, results: Sequence[Result]) -> None:
    """Accuracy on the validation photos against answers, with its 95 % interval."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), dpi=120, layout="constrained")
    axes = figure.subplots()
    answers = [item.answers for item in results]
    axes.fill_between(
        answers, [item.low for item in results], [item.high for item in results], alpha=0.15, color="#2f6fb0"
    )
    axes.plot(answers, [item.accuracy for item in results], "o-", markersize=4, color="#2f6fb0")
    axes.set(xlabel="answers", ylabel="accuracy on validation photos", ylim=(0, 1))
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    _write(work, "curve.png", buffer.getvalue())


def _write(work: WorkDir, name: str, data: bytes) -> None:
    write_atomically(work.folder / "validation" / name, data)
