"""The notebooks of examples/ run from top to bottom, over a small model and photos that are made here."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from backend.learning.export import ExportBackbone
from backend.retraining.outputs import Classifier, write_graph
from tests.unit.learning.test_export_formats import LABELS, backbone, some_head  # noqa: F401

pytestmark = [pytest.mark.unit, pytest.mark.long]

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PICTURES = {"performance_analysis.ipynb": 3, "attributions.ipynb": 2}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory, backbone: ExportBackbone) -> Path:  # noqa: F811
    """A model, and class folders of photos for it."""
    folder = tmp_path_factory.mktemp("notebooks")
    write_graph(folder / "m.keras", Classifier(backbone, some_head("mlp"), LABELS), {})
    rng = np.random.default_rng(0)
    for label in LABELS:
        (folder / "photos" / label).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 255, (4, 4, 3)).astype(np.uint8)
            Image.fromarray(pixels).resize((64, 48)).save(folder / "photos" / label / f"{number}.jpg")
    return folder


def test_the_notebooks_run(material: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one kernel, since starting one and loading TensorFlow takes longer than they do; each without the other's names."""
    monkeypatch.setenv("GRAPH", str(material / "m.keras"))
    monkeypatch.setenv("PHOTOS", str(material / "photos"))
    monkeypatch.setenv("STATE_DIR", str(material / "state"))
    cells: dict[str, list[Any]] = {}
    for name in PICTURES:
        notebook = nbformat.read(EXAMPLES / name, as_version=4)
        assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs before it is committed"
        cells[name] = [nbformat.v4.new_code_cell("%reset -f"), *notebook.cells]
    together = nbformat.v4.new_notebook(cells=[cell for several in cells.values() for cell in several])
    for number, cell in enumerate(together.cells):
        cell["id"] = f"cell-{number}"  # the two notebooks number theirs alike
    NotebookClient(together, timeout=300, kernel_name="python3", resources={"metadata": {"path": EXAMPLES}}).execute()
    for name, wanted in PICTURES.items():
        outputs = [output for cell in cells[name] for output in cell.get("outputs", ())]
        assert not [output for output in outputs if output.output_type == "error"]
        pictures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
        assert len(pictures) == wanted
        for number, picture in enumerate(pictures):
            data = base64.b64decode(picture)
            assert len(data) > 5_000
            (material / f"{name}-{number}.png").write_bytes(data)
