"""What a loop over folders is told, and whom it tells how it goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.active_learning.learners import Batches
from backend.learning.triplets import Triplets

FOLDERS = "folders"
"""The answers that the class folders of the photos give."""


@dataclass(frozen=True)
class LoopOptions:
    """The options of `run`, as its `--help` tells them."""

    unlabelled: Path
    working_dir: Path
    train: Path | None = None
    validation: Path | None = None
    classes: tuple[str, ...] = ()
    answers: str | None = None  # "folders", or a CSV
    batch: int = 100
    budget: int | None = None
    strategy: str = "default"
    classifier: str = "graph"
    batches: Batches = "balanced"
    loss: Literal["triplet", "softmax", "off"] = "off"
    margin: float = 0.3
    triplets: Triplets = "hard"
    adaptation_steps: int = 300
    finetune_epochs: int | None = None
    epochs: int | None = None
    detections: Path | None = None
    confidence: float = 0.2
    pictures: bool = True
    export: bool = True
    seed: int = 0


class LoopListener:
    """Hears how a loop goes; by default it does nothing."""

    def say(self, text: str) -> None:
        """A sentence for people."""

    def embedding(self, what: str, done: int, total: int) -> None:
        """So many photos are read."""
