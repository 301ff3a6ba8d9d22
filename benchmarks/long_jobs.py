"""Two projects that keep a backend's long lane at work: one whose photos are embedded, one that is trained again and again."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import requests
from PIL import Image

from backend.demo.sample_photos import write_sample_photos
from backend.jobs.kinds import JobKind, JobStatus
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.projects.project import set_up_project
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Annotation, Task
from benchmarks.servers import wait

EMBEDDED, TRAINED = 2, 3
SIDE = 320
TRAINING_PHOTOS = 6000
TRAINING_LABELS = 60
CONFIG = '<View><Image name="image" value="$image"/><Choices name="what" toName="image">{}</Choices></View>'


class OtherProjects:
    """Stored beside the project that is measured; nothing of them runs before `running`."""

    def __init__(self, settings: Settings, folder: Path, photos: int, seed: int) -> None:
        self.photos = photos
        database = Database(settings.resolved_database_url)
        runtime = Runtime(settings, database, JobQueue(settings, database))
        _store_photos(runtime, folder, photos)
        _store_annotated(runtime, np.random.default_rng(seed))
        database.close()

    @contextmanager
    def running(self, url: str) -> Iterator[None]:
        """Embed and train until the end of the block.

        Raises:
            SystemExit: the photos were embedded before the block ended: give more.
        """
        stop = threading.Event()
        requests.post(f"{url}/webhook", json=_created(), timeout=30).raise_for_status()
        trainer = threading.Thread(target=_train_on, args=(url, stop))
        trainer.start()
        try:
            wait(lambda: _runs(url, EMBEDDED, JobKind.EMBED) and _runs(url, TRAINED, JobKind.TRAIN), 300)
            yield
            if not _runs(url, EMBEDDED, JobKind.EMBED):
                raise SystemExit(f"{self.photos} photos were embedded too soon: give more with --busy")
        finally:
            stop.set()
            trainer.join()


def _created() -> dict[str, object]:
    project = {"id": EMBEDDED, "title": "Embedded", "label_config": CONFIG.format('<Choice value="Cat"/>')}
    return {"action": "TASKS_CREATED", "project": project, "tasks": []}


def _train_on(url: str, stop: threading.Event) -> None:
    while not stop.is_set():
        if not _runs(url, TRAINED, JobKind.TRAIN):
            requests.post(f"{url}/train", json={"project": str(TRAINED)}, timeout=30).raise_for_status()
        stop.wait(0.5)


def _runs(url: str, project: int, kind: JobKind) -> bool:
    jobs = requests.get(f"{url}/projects/{project}/jobs", timeout=30).json()["jobs"]
    return any(job["kind"] == kind and job["job_status"] == JobStatus.RUNNING for job in jobs)


def _store_photos(runtime: Runtime, folder: Path, count: int) -> None:
    """Photos that each have a digest of their own, though they show the same few pictures."""
    folder.mkdir(parents=True)
    pictures = []
    for path in write_sample_photos(folder, count=10):
        with Image.open(path) as image:
            stream = io.BytesIO()
            image.convert("RGB").resize((SIDE, SIDE)).save(stream, "JPEG")
        pictures.append(stream.getvalue())
        path.unlink()
    set_up_project(runtime, EMBEDDED, label_config=CONFIG.format('<Choice value="Cat"/>'), title="Embedded")
    with runtime.database.session() as session:
        for number in range(count):
            path = folder / f"{number}.jpg"
            # What follows the end of a JPEG file is not looked at.
            path.write_bytes(pictures[number % len(pictures)] + number.to_bytes(8, "big"))
            session.add(Task(project_id=EMBEDDED, task_id=number, data={"image": str(path)}, image=str(path)))


def _store_annotated(runtime: Runtime, rng: np.random.Generator) -> None:
    """A project whose training takes minutes: many annotated tasks with made-up embeddings in groups."""
    names = [f"Label {number}" for number in range(TRAINING_LABELS)]
    choices = "".join(f'<Choice value="{name}"/>' for name in names)
    set_up_project(runtime, TRAINED, label_config=CONFIG.format(choices), title="Trained")
    width = runtime.backbone.spec.embedding_dim
    centres = rng.standard_normal((len(names), width), dtype=np.float32)
    labels = rng.integers(len(names), size=TRAINING_PHOTOS)
    embeddings = np.maximum(centres[labels] + rng.standard_normal((TRAINING_PHOTOS, width), dtype=np.float32), 0.0)
    digests = [hashlib.sha256(f"trained {row}".encode()).hexdigest() for row in range(TRAINING_PHOTOS)]
    runtime.features.put(runtime.backbone.id, list(zip(digests, embeddings, strict=True)))
    with runtime.database.session() as session:
        for row, digest in enumerate(digests):
            image = f"https://photos.example/trained/{row}.jpg"
            session.add(Task(project_id=TRAINED, task_id=row, data={"image": image}, image=image, digest=digest))
            value = {"choices": [names[labels[row]]]}
            result = [{"from_name": "what", "to_name": "image", "type": "choices", "value": value}]
            session.add(Annotation(project_id=TRAINED, annotation_id=10**6 + row, task_id=row, result=result))
