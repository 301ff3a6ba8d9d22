"""Sixty annotations on a real Label Studio: heads trained by themselves, seen by people, rolled back, and exported."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backend_process import BackendProcess
from numpy.typing import NDArray
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

from backend.demo.label_studio_process import LabelStudioProcess
from backend.learning.head import Head
from backend.priority import evaluation_mask
from backend.service.queue.held import HANDED_OUT, MOST_HELD
from backend.storage.database import Database
from backend.storage.feature_store import FeatureStore
from backend.sync.client import LabelStudioClient
from tests.photographs import photographs

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.browser, pytest.mark.timeout(1200)]

LABELS = ("coins", "gravel", "grass", "galaxy", "temple", "motorcycle")
CHOICES = "".join(f'<Choice value="{label}"/>' for label in LABELS)
CONFIG = f'<View><Image name="image" value="$image"/><Choices name="what" toName="image">{CHOICES}</Choices></View>'
PHOTOS_PER_LABEL = 25
EVALUATION_SHARE = 0.5
RETRAIN_EVERY = 50  # the default
TOLERANCE = 1e-3

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TrainedProject:
    """A project with sixty annotations, trained once by itself.

    Attributes:
        photos: the file that each task shows; its name begins with its label.
        first_version: the version that was published before the training.
    """

    backend: BackendProcess
    client: LabelStudioClient
    project: int
    photos: dict[int, Path]
    first_version: str

    def label(self, task: int) -> str:
        """The true label of a task."""
        return _label_of(self.photos[task])

    def annotate(self, task: int) -> None:
        """Annotate a task rightly."""
        value = {"choices": [self.label(task)]}
        self.client.annotate(task, [{"from_name": "what", "to_name": "image", "type": "choices", "value": value}])

    def models(self) -> dict[str, dict[str, Any]]:
        """What is known of each version."""
        return {item["version"]: item for item in self.backend.get(f"/projects/{self.project}/models")["models"]}

    def wait_until_published(self, version: str) -> str:
        """Wait until the window of this version is in Label Studio; the version."""

        def published() -> bool:
            if self.backend.version(self.project) != version:
                return False  # before Label Studio is asked, which costs it more
            return bool(self.client.project(self.project)["model_version"] == version)

        self.backend.wait_for(published, f"a window of {version}")
        self.backend.wait_until_idle(self.project)
        return version


@pytest.fixture(scope="module")
def labelled_photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photos, named after their label."""
    folder = tmp_path_factory.mktemp("labelled")
    return [
        Path(shutil.copy(photo, folder / f"{label}-{photo.name}"))
        for label in LABELS
        for photo in sorted((photographs() / label).glob("*.jpg"))[:PHOTOS_PER_LABEL]
    ]


@pytest.fixture(scope="module")
def trained(
    backend: BackendProcess, client: LabelStudioClient, labelled_photos: list[Path]
) -> Iterator[TrainedProject]:
    project = int(client.create_project(title="Sixty annotations", label_config=CONFIG)["id"])
    backend.take_on(client, project, labelled_photos, evaluation_share=EVALUATION_SHARE)
    tasks = {task["data"]["image"]: task["id"] for task in client.iter_tasks(project)}
    photos = {task: _photo_of(image, labelled_photos) for image, task in tasks.items()}
    chosen = _tasks_to_annotate(photos, RETRAIN_EVERY)
    before = TrainedProject(backend, client, project, photos, "")
    for task in chosen[:-1]:
        before.annotate(task)
    first_version = before.wait_until_published("propagation")
    before.annotate(chosen[-1])
    backend.wait_for(lambda: _jobs(backend, project, "train"), "training to be asked for")
    backend.wait_until_idle(project)
    for _ in range(60 - RETRAIN_EVERY):
        before.annotate(int(client.next_task(project)["id"]))
    backend.wait_until_idle(project)
    yield TrainedProject(backend, client, project, photos, first_version)
    client.transport.call("DELETE", f"/api/projects/{project}/")


@pytest.fixture(scope="module")
def best_head(trained: TrainedProject) -> str:
    """The best of the trained heads, by the evaluation photos.

    So few photos do not tell it from propagation by more than chance, so that it takes a person to promote it.
    """
    heads = {name: item for name, item in trained.models().items() if item["kind"] == "head"}
    return max(heads, key=lambda name: float(heads[name]["evaluation"]["evaluation_sample"]["accuracy"]))


def _photo_of(image: str, photos: list[Path]) -> Path:
    """The file of an uploaded image; Label Studio puts something before its name."""
    return next(photo for photo in photos if image.endswith(f"-{photo.name}"))


def _label_of(photo: Path) -> str:
    return photo.name.split("-")[0]


def _tasks_to_annotate(photos: Mapping[int, Path], count: int) -> list[int]:
    """Half of them of the evaluation sample, half to learn from, of each label in turn."""
    tasks = sorted(photos, key=lambda task: photos[task].name)
    digests = [hashlib.sha256(photos[task].read_bytes()).hexdigest() for task in tasks]
    held_out = evaluation_mask(digests, EVALUATION_SHARE)
    chosen: list[int] = []
    for half in (True, False):
        of_label = {
            label: iter(
                [t for t, held in zip(tasks, held_out, strict=True) if held == half and _label_of(photos[t]) == label]
            )
            for label in LABELS
        }
        chosen += [next(of_label[label]) for label in islice(cycle(LABELS), count // 2)]
    return chosen


def _jobs(backend: BackendProcess, project: int, kind: str) -> list[dict[str, Any]]:
    jobs = backend.get(f"/projects/{project}/jobs?limit=1000")["jobs"]
    return [job for job in jobs if job["kind"] == kind]


def test_retraining_runs_by_itself_and_people_see_its_head_until_it_is_rolled_back(
    trained: TrainedProject, best_head: str, page: Page, label_studio: LabelStudioProcess
) -> None:
    assert trained.first_version == "propagation"
    (training,) = _jobs(trained.backend, trained.project, "train")
    assert training["job_status"] == "done"
    assert best_head in training["result"]["versions"]
    models = trained.models()
    for version in training["result"]["versions"]:
        assert models[version]["annotations"] == RETRAIN_EVERY
        assert models[version]["parent"] == "propagation"
        assert models[version]["evaluation"]["evaluation_sample"]["photos"] == RETRAIN_EVERY // 2
        assert models[version]["note"].startswith(f"{version} ")

    trained.backend.command("models", "promote", best_head, "--project", str(trained.project))
    _expect_on_the_labelling_screen(page, label_studio, trained, trained.wait_until_published(best_head))
    trained.backend.command("models", "rollback", "--project", str(trained.project))
    _expect_on_the_labelling_screen(page, label_studio, trained, trained.wait_until_published("propagation"))


def _expect_on_the_labelling_screen(
    page: Page, label_studio: LabelStudioProcess, trained: TrainedProject, version: str
) -> None:
    """The first of the queue is shown with its label chosen, and its one prediction is of this version."""
    queue = trained.backend.queue(trained.project)
    first = queue[0]
    guess = first["result"][0]["value"]["choices"][0]
    chosen = page.get_by_role("checkbox", name=guess)
    page.goto(f"{label_studio.url}/projects/{trained.project}/data?labeling=1")
    expect(page.locator(".lsf-current-task__task-id")).to_contain_text(str(first["task"]))
    expect(chosen).to_be_checked()
    page.goto(f"{label_studio.url}/projects/{trained.project}/data?task={first['task']}")
    prediction = page.locator(".lsf-annotation-button__name").filter(
        has_text=re.compile(rf"^\s*{re.escape(version)}(?! superseded)")
    )
    expect(prediction).to_have_count(1)
    prediction.click()
    expect(chosen).to_be_checked()
    stored = trained.client.unannotated_tasks_of_version(trained.project, version)
    places = {item["task"]: item["score"] for item in queue}
    current = {
        task["id"]: min(row["score"] for row in task["predictions"] if row["model_version"] == version)
        for task in stored
    }
    assert current.keys() >= places.keys()
    # Photos that somebody may hold open, or be handed right now, have a suggestion too, and wait behind all places.
    others = [score for task, score in current.items() if task not in places]
    assert len(others) <= HANDED_OUT + MOST_HELD
    assert min(others, default=1.0) > max(places.values())


def test_an_exported_head_says_of_photos_what_the_server_says(
    trained: TrainedProject, best_head: str, tmp_path: Path
) -> None:
    """As ONNX; what the other formats say is compared by the tests of `backend.learning.export`."""
    trained.backend.post(f"/projects/{trained.project}/models/{best_head}/promote", {})
    trained.wait_until_published(best_head)
    folder = tmp_path / "exported"
    arguments = ("--format", "onnx", "--version", best_head, "--output", str(folder))
    trained.backend.command("export", "--project", str(trained.project), *arguments)
    card = json.loads((folder / "model_card.json").read_text())
    assert (folder / "labels.txt").read_text().splitlines() == list(LABELS)
    assert card["labels_without_annotations"] == []
    tasks = sorted(trained.photos)[::8]
    photos = [trained.photos[task] for task in tasks]
    probabilities = _run_onnx(folder / card["model"], np.stack([_decode(photo, card) for photo in photos]))

    by_head = _head_says(trained, best_head, card["backbone"], photos)
    np.testing.assert_allclose(probabilities, by_head, atol=TOLERANCE)

    listed = trained.client.tasks_by_id(trained.project, tasks)
    asked = [{"id": task["id"], "data": task["data"]} for task in listed]
    answers = trained.backend.post("/predict", {"project": f"{trained.project}.1", "tasks": asked})["results"]
    for row, answer in zip(probabilities, answers, strict=True):
        assert answer["model_version"] == best_head
        (result,) = answer["result"]
        label = LABELS.index(result["value"]["choices"][0])
        assert row[label] == pytest.approx(result["score"], abs=TOLERANCE)
        assert row[label] > row.max() - TOLERANCE


def _decode(photo: Path, card: Mapping[str, Any]) -> Pixels:
    """A photo as the model card says that the model takes it."""
    wanted = card["input"]
    assert (wanted["dtype"], wanted["colour"], wanted["range"]) == ("uint8", "RGB", [0, 255])
    assert (wanted["fit"], wanted["resampling"]) == ("center_crop", "bilinear")
    height, width = wanted["shape"][1:3]
    with Image.open(photo) as image:
        return np.asarray(ImageOps.fit(image.convert("RGB"), (width, height), Image.Resampling.BILINEAR))


def _head_says(trained: TrainedProject, version: str, backbone: str, photos: list[Path]) -> Floats:
    """The head's probabilities, from the embeddings that the server keeps."""
    state = trained.backend.state_dir
    head = Head.load(state / "projects" / str(trained.project) / "models" / version / "control-0")
    digests = [hashlib.sha256(photo.read_bytes()).hexdigest() for photo in photos]
    database = Database(f"sqlite:///{state / 'backend.sqlite3'}")
    embeddings = FeatureStore(database.engine).get(digests, backbone)
    database.close()
    return head.predict(np.stack([embeddings[digest] for digest in digests]))


def _run_onnx(path: Path, images: Pixels) -> Floats:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: images})[0], dtype=np.float32)
