"""The counts of several processes, added up without a mapped file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend import metrics
from backend.reports import KEPT_SECONDS, Reporter, merged_metrics, read_reports

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import resource, sys
from pathlib import Path
from backend import metrics
from backend.reports import Reporter
metrics.JOBS.labels("train", "done").inc(2)
metrics.REQUEST_SECONDS.labels("/x").observe(0.3)
reporter = Reporter(Path(sys.argv[1]), "worker", sys.argv[2])
if len(sys.argv) > 3:
    reporter.write()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # no file takes another byte
reporter.write()
print("alive")
"""


def run_worker(folder: Path, name: str, *more: str) -> str:
    command = [sys.executable, "-c", WORKER, str(folder), name, *more]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def value(text: bytes, sample: str) -> float:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text.decode(), flags=re.M)
    return float(found.group(1)) if found else 0.0


def test_counts_of_processes_are_added_up(tmp_path: Path) -> None:
    metrics.JOBS.labels("train", "done").inc()
    sample = 'label_order_jobs_total{kind="train",status="done"}'
    before = value(merged_metrics([]), sample)
    for name in ("a:1:x", "b:2:y"):
        run_worker(tmp_path, name)
    reports = read_reports(tmp_path)
    assert [report.role for report in reports] == ["worker", "worker"]
    merged = merged_metrics(reports)
    assert value(merged, sample) == before + 4
    assert value(merged, 'label_order_request_seconds_count{endpoint="/x"}') == 2
    assert value(merged, 'label_order_request_seconds_bucket{endpoint="/x",le="0.25"}') == 0
    assert value(merged, 'label_order_request_seconds_bucket{endpoint="/x",le="0.5"}') == 2
    assert value(merged, 'label_order_request_seconds_bucket{endpoint="/x",le="+Inf"}') == 2
    assert b"# TYPE label_order_request_seconds histogram" in merged


def test_a_disk_that_takes_nothing_costs_only_the_report(tmp_path: Path) -> None:
    assert run_worker(tmp_path, "a:1:x", "full") == "alive\n"
    assert len(read_reports(tmp_path)) == 1


def test_a_damaged_report_costs_only_itself(tmp_path: Path) -> None:
    run_worker(tmp_path, "a:1:x")
    (tmp_path / "worker-b.prom").write_bytes(b"\xff\xfe")
    (tmp_path / "worker-c.prom").write_text("half a li")
    assert value(merged_metrics(read_reports(tmp_path)), 'label_order_request_seconds_count{endpoint="/x"}') == 1


def test_reports_of_long_ago_are_removed(tmp_path: Path) -> None:
    Reporter(tmp_path, "worker", "old").write()
    old = time.time() - KEPT_SECONDS - 10
    os.utime(next(tmp_path.glob("*.prom")), (old, old))
    Reporter(tmp_path, "worker", "new").write()
    assert [report.name for report in read_reports(tmp_path)] == ["new"]
