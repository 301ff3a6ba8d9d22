"""How long the lead's pages and their JSON take with many tasks: made-up tasks, predictions and vectors, no photos.

    python -m benchmarks.pages [--tasks 100000] [--labels 100] [--answers 5000]

Each is asked for through the web application in this process, twice: at first, as after a new order, and again, as for a
page left open; beside the seconds those of the processor, which a busy machine stretches less. The table is that of
docs/measurements.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from werkzeug.test import TestResponse

from backend.api.app import create_app
from backend.jobs.queue import JobQueue
from backend.learning.projection import Projection
from backend.service.context.context import Runtime
from backend.service.insight.photo_map import PhotoMap, write_map
from backend.service.pool.review import Review, write_review
from backend.service.pool.similarity_index import SimilarityIndex, write_similarity_index
from backend.service.pool.snapshot import Sample, Snapshot, SnapshotControl, write_snapshot
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project, set_up_project
from backend.service.versions.artifacts import snapshots_folder
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Annotation, CurvePoint, Project, QueueItem, Task

PROJECT = 1
AXES = 128
PAGES = ("", "/queue", "/sheets", "/coverage", "/map", "/mistakes", "/search?label=3", "/search?task=17", "/settings")
FIGURES = (
    "/overview",
    "/outlook",
    "/queue",
    "/coverage",
    "/map",
    "/mistakes",
    "/search?label=3",
    "/search?task=17",
    "/search?label=3&believed=3&answered=no",
    "/options",
    "/suggestions",
    "/failures",
    "/jobs",
    "/models",
)
SHEETS = ("auto", "confirm", "same", "chosen")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--answers", type=int, default=5_000)
    parser.add_argument("--state-dir", type=Path, default=Path(".state"), help="weights and WordNet are kept here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            _env_file=None,
            state_dir=Path(folder),
            weights_dir=arguments.state_dir / "models",
            wordnet_dir=arguments.state_dir / "wordnet",
            backbone="efficientnet_lite0",
        )
        database = Database(settings.resolved_database_url)
        database.migrate()
        jobs = JobQueue(settings, database)
        runtime = Runtime(settings, database, jobs)
        fill(runtime, arguments.tasks, arguments.labels, arguments.answers)
        _ = runtime.backbone.id, runtime.wordnet  # opened when the server starts
        client = create_app(runtime, jobs).test_client()
        print("| page or figure | at first, s | again, s | processor, s | KB |\n|---|---|---|---|---|")
        for page in ("/dashboard/?all=1", *(f"/dashboard/{PROJECT}{page}" for page in PAGES)):
            measure(page, lambda page=page: client.get(page))
        measure("/projects", lambda: client.get("/projects"))
        for figure in FIGURES:
            path = f"/projects/{PROJECT}{figure}"
            measure(path, lambda path=path: client.get(path))
        for kind in SHEETS:
            body = {
                "kind": kind,
                "tasks": list(range(arguments.answers + 9000, arguments.answers + 9024)) if kind == "chosen" else [],
            }
            measure(f"a sheet: {kind}", lambda body=body: client.post(f"/projects/{PROJECT}/sheets", json=body))


def measure(name: str, ask: Callable[[], TestResponse]) -> None:
    """Print a row of the table."""
    seconds = []
    for _ in range(2):
        started, worked = time.perf_counter(), time.process_time()
        answer = ask()
        seconds.append(time.perf_counter() - started)
        processor = time.process_time() - worked
    fault = "" if answer.status_code == 200 else f" {answer.status_code} {answer.text[:150]}"
    print(
        f"| `{name}`{fault} | {seconds[0]:.2f} | {seconds[1]:.2f} | {processor:.2f} | {len(answer.data) / 1000:,.0f} |",
        flush=True,
    )


def fill(runtime: Runtime, tasks: int, labels: int, answers: int) -> None:
    """A project of made-up tasks whose predictions, vectors and answers are drawn at random."""
    rng = np.random.default_rng(0)
    choices = "".join(f'<Choice value="kind {number}"/>' for number in range(labels))
    config = f'<View><Image name="i" value="$i"/><Choices name="c" toName="i">{choices}</Choices></View>'
    set_up_project(runtime, PROJECT, label_config=config, title="Made up")
    given = [
        {
            "project_id": PROJECT,
            "annotation_id": n,
            "task_id": n,
            "result": [
                {"from_name": "c", "to_name": "i", "type": "choices", "value": {"choices": [f"kind {n % labels}"]}}
            ],
            "completed_by": 1,
        }
        for n in range(answers)
    ]
    for start in range(0, tasks, 10_000):
        rows = [
            {"project_id": PROJECT, "task_id": n, "data": {"i": f"{n}.jpg"}, "image": f"{n}.jpg", "digest": f"{n:064x}"}
            for n in range(start, min(start + 10_000, tasks))
        ]
        with runtime.database.session() as session:
            session.bulk_insert_mappings(Task, rows)  # type: ignore[arg-type]
    with runtime.database.session() as session:
        session.bulk_insert_mappings(Annotation, given)  # type: ignore[arg-type]
        session.get_one(Project, PROJECT).snapshot = "propagation.1"
    project = find_project(runtime, PROJECT)
    truth = rng.integers(labels, size=tasks)
    probabilities = np.empty((tasks, labels), dtype=np.float16)
    for start in range(0, tasks, 50_000):
        part = rng.standard_gamma(0.05, size=(min(50_000, tasks - start), labels))
        part[np.arange(len(part)), truth[start : start + len(part)]] += rng.gamma(2.0, size=len(part))
        probabilities[start : start + len(part)] = part / part.sum(axis=1, keepdims=True)
    task_ids = np.arange(tasks, dtype=np.int64)
    snapshot = Snapshot(
        version="propagation.1",
        labels_key=labels_of(runtime, project).key,
        backbone="",
        task_ids=task_ids,
        priority=rng.random(tasks, dtype=np.float32),
        controls=[SnapshotControl(probabilities, {})],
        sample=Sample(runtime.settings.evaluation_share, rng.random(tasks) < runtime.settings.evaluation_share),
    )
    write_snapshot(snapshots_folder(runtime, PROJECT) / "propagation.1", snapshot)
    vectors = rng.standard_normal((tasks, AXES), dtype=np.float32)
    vectors += 2.0 * rng.standard_normal((labels, AXES), dtype=np.float32)[truth]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    nothing = Projection(np.zeros(AXES, np.float32), np.eye(AXES, dtype=np.float32))
    write_similarity_index(
        runtime, PROJECT, SimilarityIndex("made up", "", task_ids, vectors.astype(np.float16), nothing)
    )
    keep_what_jobs_make(runtime, project, truth, answers)


def keep_what_jobs_make(runtime: Runtime, project: Project, truth: NDArray[np.int64], answers: int) -> None:
    """The map, the review of the answers, the queue window, the curve, and second answers of another person."""
    rng = np.random.default_rng(1)
    labels = int(truth.max()) + 1
    task_ids = np.arange(truth.size, dtype=np.int64)
    write_map(runtime, PROJECT, PhotoMap(" ", task_ids, rng.uniform(-1, 1, (truth.size, 2)).astype(np.float32)))
    held_out = rng.dirichlet(np.full(labels, 0.05), size=answers)
    held_out[np.arange(answers), truth[:answers]] += 1.0
    held_out /= held_out.sum(axis=1, keepdims=True)
    review = Review(
        labels_of(runtime, project).key, answers, task_ids[:answers], truth[:answers], held_out.astype(np.float16)
    )
    write_review(runtime, PROJECT, review)
    result = {"from_name": "c", "to_name": "i", "type": "choices", "value": {"choices": ["kind 1"]}, "score": 0.5}
    with runtime.database.session() as session:
        for n in range(50):
            session.add(
                QueueItem(
                    project_id=PROJECT,
                    version="propagation.1",
                    position=n,
                    task_id=answers + n,
                    score=0.01 * (n + 1),
                    priority=0.5,
                    components={"uncertainty": 0.5},
                    reason="unlike all others",
                    result=[result],
                )
            )
        for n in range(answers // 20):
            session.add(
                Annotation(project_id=PROJECT, annotation_id=answers + n, task_id=n, result=[result], completed_by=2)
            )
        for count, accuracy in ((100, 0.6), (300, 0.75), (1000, 0.85), (5000, 0.9)):
            session.add(
                CurvePoint(
                    project_id=PROJECT,
                    annotations=count,
                    version="head.1",
                    accuracy=accuracy,
                    low=accuracy - 0.04,
                    high=accuracy + 0.04,
                )
            )


if __name__ == "__main__":
    main()
