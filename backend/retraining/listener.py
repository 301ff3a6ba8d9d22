"""Who hears how a retraining goes."""

from __future__ import annotations

from backend.retraining.steps import StepReport


class Listener:
    """Hears how a retraining goes; by default it does nothing."""

    def say(self, text: str) -> None:
        """A sentence for people."""

    def embedding(self, what: str, done: int, total: int) -> None:
        """So many photos are read."""

    def step(self, report: StepReport, total: int) -> None:
        """So many of `total` steps are done."""
