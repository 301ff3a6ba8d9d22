"""From an annotation to the queue that knows it: `python -m benchmarks.latency [--tasks 13572] [--annotations 12]`.

Starts the real server on a database of tasks whose photos are embedded already (made-up embeddings in groups, one or
more for each label; 100 labels, half of them known to WordNet), without Label Studio. Then, one at a time, annotates
the first of the queue over the webhook and asks for the queue until it has a new version without that task. Printed:
median and worst of that time, and of the webhook's answer, beside a Flask application that answers a constant.

With --busy the same again while photos of a second project are embedded and a third one is trained, without a pause;
printed: that time over the quiet one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import requests

from backend.demo.backend_process import BackendProcess
from backend.demo.child_server import free_port
from backend.jobs.queue import JobQueue
from backend.labels import imagenet
from backend.service.context.context import Runtime
from backend.service.projects.project import set_up_project
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Task
from benchmarks.long_jobs import OtherProjects
from benchmarks.servers import constant_server, idle, wait

PROJECT = 1
GROUPS = 4  # of photos that look alike, for each label
CHUNK = 2000


@dataclass(frozen=True)
class Latency:
    """Seconds of each annotation: until the webhook answered, until the queue knew it, and a constant answer's."""

    tasks: int
    webhook: list[float]
    queue: list[float]
    constant: list[float]
    busy: list[float] = field(default_factory=list)  # `queue`, while other projects' long jobs run


def label_names(count: int) -> list[str]:
    """Names of labels, every other one unknown to WordNet."""
    known = [imagenet.name_of(wnid) for wnid in imagenet.wnids()[::7]]
    return [known[number % len(known)] if number % 2 else f"Design {number}" for number in range(count)]


def label_config(names: list[str]) -> str:
    choices = "".join(f"<Choice value={json.dumps(name)}/>" for name in names)
    return f'<View><Image name="image" value="$image"/><Choices name="what" toName="image">{choices}</Choices></View>'


def address(row: int) -> str:
    """Where the photo of a task would be."""
    return f"https://photos.example/{row}.jpg"


def fill(settings: Settings, tasks: int, names: list[str], seed: int, *, first: int = 0) -> list[int]:
    """Store a project of embedded tasks, numbered from `first`, and ask for its first order; the true label of each."""
    database = Database(settings.resolved_database_url)
    database.migrate()
    jobs = JobQueue(settings, database)
    runtime = Runtime(settings, database, jobs)
    width = runtime.backbone.spec.embedding_dim
    rng = np.random.default_rng(seed)
    scale = (np.arange(1, width + 1) ** -0.4).astype(np.float32)
    centres = rng.standard_normal((GROUPS * len(names), width), dtype=np.float32)
    group = rng.integers(len(centres), size=tasks)
    set_up_project(runtime, PROJECT, label_config=label_config(names), title="Latency")
    for start in range(0, tasks, CHUNK):
        rows = range(start, min(start + CHUNK, tasks))
        noise = rng.standard_normal((len(rows), width), dtype=np.float32)
        embeddings = np.maximum((centres[group[rows]] + noise) * scale, 0.0)
        digests = [hashlib.sha256(str(row).encode()).hexdigest() for row in rows]
        runtime.features.put(runtime.backbone.id, list(zip(digests, embeddings, strict=True)))
        with database.session() as session:
            for row, digest in zip(rows, digests, strict=True):
                data = {"image": address(row)}
                session.add(
                    Task(project_id=PROJECT, task_id=first + row, data=data, image=data["image"], digest=digest)
                )
    jobs.enqueue("refresh", PROJECT)
    database.close()
    return [int(number) for number in group % len(names)]


def annotation_event(number: int, task: int, label: str, config: str) -> dict[str, Any]:
    """What Label Studio sends when someone submits an annotation."""
    result = {"from_name": "what", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
    return {
        "action": "ANNOTATION_CREATED",
        "project": {"id": PROJECT, "title": "Latency", "label_config": config},
        "task": {"id": task, "data": {"image": address(task)}},
        "annotation": {"id": number, "task": task, "result": [result], "updated_at": "2026-01-01T00:00:00Z"},
    }


def annotate(url: str, body: dict[str, Any]) -> tuple[float, float]:
    """Seconds until the webhook answered, and until the queue has a new version without the annotated task."""
    before = queue(url)["version"]

    def knows() -> bool:
        now = queue(url)
        return now["version"] != before and all(item["task"] != body["task"]["id"] for item in now["queue"])

    begun = time.perf_counter()
    requests.post(f"{url}/webhook", json=body, timeout=30).raise_for_status()
    answered = time.perf_counter() - begun
    wait(knows, pause=0.02)
    return answered, time.perf_counter() - begun


def queue(url: str) -> dict[str, Any]:
    answer = requests.get(f"{url}/projects/{PROJECT}/queue?limit=50", timeout=30)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def constant_webhook(url: str, body: dict[str, Any]) -> float:
    begun = time.perf_counter()
    requests.post(f"{url}/webhook", json=body, timeout=30).raise_for_status()
    return time.perf_counter() - begun


def measure(
    folder: Path, settings: Settings, *, tasks: int, labels: int, annotations: int, seed: int, busy_photos: int = 0
) -> Latency:
    """Fill a database, serve it, annotate; once more while `busy_photos` of another project are embedded, if any."""
    names = label_names(labels)
    truth = fill(settings, tasks, names, seed)
    config = label_config(names)
    load = OtherProjects(settings, folder / "photos", busy_photos, seed) if busy_photos else None
    serving = {
        "STATE_DIR": str(settings.state_dir),
        "WEIGHTS_DIR": str(settings.resolved_weights_dir),
        "WORDNET_DIR": str(settings.resolved_wordnet_dir),
        "BACKBONE": settings.backbone,
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "LOG_LEVEL": "WARNING",
        "LOCAL_ROOTS": str(folder / "photos"),
    }
    found = Latency(tasks, [], [], [])
    with BackendProcess(folder, serving) as backend, constant_server() as plain:
        wait(lambda: bool(queue(backend.url)["version"]), 600)
        wait(lambda: idle(backend.url, PROJECT), 600)

        def next_event(number: int) -> dict[str, Any]:
            task = queue(backend.url)["queue"][0]["task"]
            return annotation_event(number, task, names[truth[task]], config)

        for number in range(annotations):
            body = next_event(number)
            found.constant.append(constant_webhook(plain, body))
            answered, known = annotate(backend.url, body)
            found.webhook.append(answered)
            found.queue.append(known)
            wait(lambda: idle(backend.url, PROJECT), 600)
        if load is not None:
            with load.running(backend.url):
                for number in range(annotations, 2 * annotations):
                    found.busy.append(annotate(backend.url, next_event(number))[1])
                    wait(lambda: idle(backend.url, PROJECT), 600)
    return found


def add_filling(parser: argparse.ArgumentParser, tasks: int) -> None:
    """The options that say what is filled in and annotated, and with which weights; `tasks` unless told."""
    parser.add_argument("--tasks", type=int, default=tasks)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--annotations", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backbone", default="efficientnet_lite2")
    parser.add_argument("--models-dir", type=Path, default=Path(".state/models"))
    parser.add_argument("--wordnet-dir", type=Path, default=Path(".state/wordnet"))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_filling(parser, tasks=13_572)
    parser.add_argument(
        "--busy", type=int, default=0, metavar="PHOTOS", help="of the project that is embedded meanwhile"
    )
    parser.add_argument("--output", type=Path, help="write the figures here as JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            _env_file=None,
            state_dir=Path(folder) / "state",
            weights_dir=options.models_dir.resolve(),
            wordnet_dir=options.wordnet_dir.resolve(),
            backbone=options.backbone,
        )
        found = measure(
            Path(folder),
            settings,
            tasks=options.tasks,
            labels=options.labels,
            annotations=options.annotations,
            seed=options.seed,
            busy_photos=options.busy,
        )
    for name, seconds in (
        ("annotation to new queue", found.queue),
        *([("… beside long jobs", found.busy)] if found.busy else []),
        ("webhook's answer", found.webhook),
        ("constant answer", found.constant),
    ):
        p95 = float(np.percentile(seconds, 95))
        print(
            f"{name:26} median {1000 * statistics.median(seconds):8.1f} ms   p95 {1000 * p95:8.1f} ms"
            f"   worst {1000 * max(seconds):8.1f} ms"
        )
    ratio = statistics.median(found.webhook) / statistics.median(found.constant)
    print(f"{found.tasks:,} tasks, {len(found.queue)} annotations; webhook / constant answer {ratio:.1f}")
    if found.busy:
        print(
            f"beside an embedding and a training / quiet {statistics.median(found.busy) / statistics.median(found.queue):.2f}"
        )
    if options.output:
        options.output.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
