"""What each worker process tells of itself: that it lives, and its counts, in a small file of its own below STATE_DIR.

Written like any file and never mapped into memory: on a full disk a write fails with an error, while a mapped file
kills its process with SIGBUS.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from backend import metrics
from backend.files import write_atomically

log = logging.getLogger(__name__)

SUFFIX = ".prom"
KEPT_SECONDS = 86_400.0  # the counts of a worker that ended are part of the sums for so long


@dataclass(frozen=True)
class Report:
    """One process: its role, its name, when it last wrote (seconds since the epoch), and its counts."""

    role: str
    name: str
    seen_at: float
    text: str

    @property
    def age(self) -> float:
        """Seconds since it last wrote."""
        return time.time() - self.seen_at


class Reporter:
    """Writes the report of this process.

    Args:
        folder: where the reports of all processes are.
        role: what the process does, a word without a dash.
        name: unlike that of any other process.
    """

    def __init__(self, folder: Path, role: str, name: str) -> None:
        self._folder = folder
        self._path = folder / f"{role}-{name.replace(':', '-').replace('/', '-')}{SUFFIX}"

    def write(self) -> None:
        """Tell that the process lives, and its counts; a disk that takes nothing costs only this."""
        try:
            write_atomically(self._path, generate_latest(metrics.REGISTRY))
            self._remove_old()
        except OSError as error:
            log.error("the counts of this process cannot be written: %s", error.strerror)

    def _remove_old(self) -> None:
        for path in self._folder.glob(f"*{SUFFIX}"):
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink(missing_ok=True)


def read_reports(folder: Path) -> list[Report]:
    """The reports of all processes; one that cannot be read is left out."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        role, _, name = path.stem.partition("-")
        try:
            found.append(Report(role, name, path.stat().st_mtime, path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            log.warning("the report %s cannot be read: %s", path.name, error)
    return found


def merged_metrics(reports: Iterable[Report]) -> bytes:
    """The counts of this process and of those that wrote `reports`, added up, in the format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Sum([generate_latest(metrics.REGISTRY).decode(), *(report.text for report in reports)]))
    return generate_latest(registry)


class _Sum(Collector):
    """Families of several processes, sample by sample."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        """Each family once, its values added up."""
        families: dict[str, Metric] = {}
        values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for text in self._texts:
            try:
                parsed = list(text_string_to_metric_families(text))
            except ValueError as error:
                log.warning("a report cannot be read: %s", error)
                continue
            for family in parsed:
                if family.name.endswith("_created"):
                    continue
                families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                sums = values.setdefault(family.name, {})
                for sample in family.samples:
                    key = (sample.name, tuple(sorted(sample.labels.items())))
                    sums[key] = sums.get(key, 0.0) + sample.value
        for name, family in families.items():
            for (sample_name, labels), value in values[name].items():
                family.add_sample(sample_name, dict(labels), value)
            yield family
