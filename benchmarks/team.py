"""A team of annotators that locust runs: what they are told to do, and what they met."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

LOCUSTFILE = Path(__file__).with_name("annotators_locustfile.py")
# The start of a sample photo's name, and what it shows.
LABELS = {
    "china": "temple",
    "flower": "flower",
    "astronaut": "astronaut",
    "camera": "photographer",
    "chelsea": "cat",
    "coffee": "cup",
    "coins": "coin",
    "hubble": "galaxy",
    "motorcycle": "motorcycle",
    "rocket": "rocket",
    "grass": "grass",
    "gravel": "gravel",
}
CHOICES = "".join(f'<Choice value="{label}"/>' for label in LABELS.values())
CONFIG = f"""<View><Image name="image" value="$image"/>
<Choices name="what" toName="image" choice="single">{CHOICES}</Choices></View>"""
NEXT, ANNOTATION = "next task", "annotation"


@dataclass(frozen=True)
class Plan:
    """What the locustfile is told: seconds of the mean pause, the users' tokens, the truth by a piece of the photo's name."""

    project: int
    tokens: list[str]
    pause: float
    seed: int
    labels: dict[str, str] = field(default_factory=lambda: dict(LABELS))


@dataclass(frozen=True)
class Work:
    """What a team met.

    Attributes:
        next_task: seconds of each next task that came.
        annotation: seconds of each annotation that was saved.
        errors: "what status" of each call that failed.
        bare: tasks that came without a suggestion.
        processor: seconds of processor time that Label Studio took.
        elapsed: seconds of the clock.
    """

    next_task: list[float]
    annotation: list[float]
    errors: list[str]
    bare: int
    processor: float = 0.0
    elapsed: float = 0.0

    @classmethod
    def of(cls, visits: Sequence[dict[str, Any]], processor: float = 0.0, elapsed: float = 0.0) -> Work:
        """From what the locustfile wrote."""
        good = [visit for visit in visits if visit["ok"]]
        return cls(
            [visit["seconds"] for visit in good if visit["what"] == NEXT],
            [visit["seconds"] for visit in good if visit["what"] == ANNOTATION],
            [f"{visit['what']} {visit['status']}" for visit in visits if not visit["ok"]],
            sum(1 for visit in good if visit["what"] == NEXT and not visit["suggested"]),
            processor,
            elapsed,
        )

    def percentile(self, percent: float) -> float:
        """Of the seconds until the next task came."""
        return float(np.percentile(self.next_task, percent))

    @property
    def cost(self) -> float:
        """Label Studio's processor time for each annotation, in seconds."""
        return self.processor / len(self.annotation)


def run_locust(url: str, plan: Plan, *, annotators: int, seconds: float, folder: Path) -> list[dict[str, Any]]:
    """Let annotators work; each next task and each annotation, as the locustfile writes them.

    Raises:
        SystemExit: locust failed, or nobody got a task.
    """
    told, visits = folder / f"plan-{plan.project}.json", folder / f"visits-{plan.project}.jsonl"
    told.write_text(json.dumps(asdict(plan)), encoding="utf-8")
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary", "--host", url]
    command += ["--users", str(annotators), "--spawn-rate", str(annotators), "--run-time", f"{seconds:.0f}s"]
    command += ["--plan", str(told), "--visits", str(visits), "--exit-code-on-error", "0", "--loglevel", "WARNING"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    lines = visits.read_text(encoding="utf-8").splitlines() if visits.exists() else []
    if done.returncode or not lines:
        raise SystemExit(f"locust failed ({done.returncode}):\n{done.stderr[-3000:]}")
    return [json.loads(line) for line in lines]
