"""A project over crops of four photographs, whose true labels are known, for the tests of the pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from backend_process import BackendProcess

from backend.demo.sample_photos import write_sample_photos
from backend.sync.client import LabelStudioClient

LABELS = {"chelsea": "cat", "rocket": "rocket", "coffee": "cup", "motorcycle_left": "<b>motor</b>cycle"}
CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Choices name="what" toName="image" choice="single">
    <Choice value="cat"/><Choice value="rocket"/><Choice value="cup"/><Choice value="&lt;b&gt;motor&lt;/b&gt;cycle"/>
    <Choice value="kitten"/>
  </Choices>
</View>
"""
EACH = 26


@pytest.fixture(scope="session")
def crops(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Crops of four photographs, `EACH` of each."""
    written = write_sample_photos(tmp_path_factory.mktemp("crops"), 12 * EACH)
    return [path for path in written if path.stem.rsplit("_", 1)[0] in LABELS]


@pytest.fixture
def truth(
    backend: BackendProcess, client: LabelStudioClient, crops: list[Path], make_project: Callable[..., int]
) -> tuple[int, dict[int, str]]:
    """A project in which one photo of each class is labelled, and the true label of each task."""
    project_id = make_project(label_config=CONFIG)
    backend.take_on(client, project_id, crops, window_size=20, retrain_every=1000, evaluation_share=0)
    names = true_labels(client, project_id)
    for label in LABELS.values():
        task = next(task for task, name in names.items() if name == label)
        client.annotate(task, answer(label))
    backend.wait_for(lambda: backend.version(project_id).startswith("propagation"), "the annotations to count")
    backend.wait_until_idle(project_id)
    return project_id, names


def true_labels(client: LabelStudioClient, project_id: int) -> dict[int, str]:
    """Task -> the label of the photograph that it was cut from."""
    return {
        int(task["id"]): next(label for stem, label in LABELS.items() if stem in str(task["data"]["image"]))
        for task in client.iter_tasks(project_id)
    }


def answer(label: str) -> list[dict[str, object]]:
    """The result of choosing a label."""
    return [{"from_name": "what", "to_name": "image", "type": "choices", "value": {"choices": [label]}}]


def annotations(client: LabelStudioClient, project_id: int) -> dict[int, list[str]]:
    """Task -> the labels that its annotations give."""
    found: dict[int, list[str]] = {}
    for annotation in client.iter_annotations(project_id):
        found.setdefault(annotation["task"], []).append(annotation["result"][0]["value"]["choices"][0])
    return found
