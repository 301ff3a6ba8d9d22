"""How long the lead's pages take with many tasks: made-up tasks, predictions and vectors, no photos.

    python -m benchmarks.pages [--tasks 100000] [--labels 100] [--answers 5000]

Each page is asked for through the web application in this process; the second time counts, as for a page left open.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from backend.api.app import create_app
from backend.jobs.queue import JobQueue
from backend.learning.projection import Projection
from backend.service.context.context import Runtime
from backend.service.pool.similarity_index import SimilarityIndex, write_similarity_index
from backend.service.pool.snapshot import Snapshot, SnapshotControl, write_snapshot
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project, set_up_project
from backend.service.versions.artifacts import snapshots_folder
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Annotation, Project, Task

PROJECT = 1
AXES = 128
PAGES = ("", "/queue", "/sheets", "/coverage", "/map", "/mistakes", "/search?label=3", "/search?task=17", "/settings")


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
        )
        database = Database(settings.resolved_database_url)
        database.migrate()
        jobs = JobQueue(settings, database)
        runtime = Runtime(settings, database, jobs)
        fill(runtime, arguments.tasks, arguments.labels, arguments.answers)
        client = create_app(runtime, jobs).test_client()
        for page in PAGES:
            seconds = []
            for _ in range(2):
                started = time.perf_counter()
                answer = client.get(f"/dashboard/{PROJECT}{page}")
                seconds.append(time.perf_counter() - started)
                assert answer.status_code == 200, answer.text
            print(
                f"{page or '/':20s} {seconds[0]:6.2f} s at first, {seconds[1]:6.2f} s again, {len(answer.data):,} bytes"
            )


def fill(runtime: Runtime, tasks: int, labels: int, answers: int) -> None:
    """A project of made-up tasks whose predictions, vectors and answers are drawn at random."""
    rng = np.random.default_rng(0)
    choices = "".join(f'<Choice value="kind {number}"/>' for number in range(labels))
    config = f'<View><Image name="i" value="$i"/><Choices name="c" toName="i">{choices}</Choices></View>'
    set_up_project(runtime, PROJECT, label_config=config, title="Made up")
    rows = [
        {"project_id": PROJECT, "task_id": n, "data": {"i": f"{n}.jpg"}, "image": f"{n}.jpg", "digest": f"{n:064x}"}
        for n in range(tasks)
    ]
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
    with runtime.database.session() as session:
        session.bulk_insert_mappings(Task, rows)  # type: ignore[arg-type]
        session.bulk_insert_mappings(Annotation, given)  # type: ignore[arg-type]
        session.get_one(Project, PROJECT).snapshot = "propagation.1"
    project = find_project(runtime, PROJECT)
    probabilities = rng.dirichlet(np.full(labels, 0.05), size=tasks).astype(np.float16)
    task_ids = np.arange(tasks, dtype=np.int64)
    snapshot = Snapshot(
        version="propagation.1",
        labels_key=labels_of(runtime, project).key,
        backbone="",
        task_ids=task_ids,
        priority=rng.random(tasks, dtype=np.float32),
        controls=[SnapshotControl(probabilities, {})],
    )
    write_snapshot(snapshots_folder(runtime, PROJECT) / "propagation.1", snapshot)
    vectors = rng.standard_normal((tasks, AXES)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    nothing = Projection(np.zeros(AXES, np.float32), np.eye(AXES, dtype=np.float32))
    write_similarity_index(
        runtime, PROJECT, SimilarityIndex("made up", "", task_ids, vectors.astype(np.float16), nothing)
    )


if __name__ == "__main__":
    main()
