"""What answering costs a person: the assumption behind every figure of labels per minute."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AnswerTimes:
    """Seconds of a person's time. Assumed, not measured; every figure that rests on them says so.

    Attributes:
        single: one photo alone on the labelling screen, looked at, answered and submitted.
        glance: one photo on a sheet, looked at.
        odd: one photo taken out of a sheet and given another label.
    """

    single: float = 4.0
    glance: float = 0.7
    odd: float = 4.0

    def sheet(self, photos: float, odd: float) -> float:
        """Seconds for a sheet of `photos`, of which `odd` get another label."""
        return self.glance * photos + self.odd * odd
