"""TensorFlow and Keras are imported in one place: two threads that import them at the same time break both for good."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).resolve().parents[2]
FRAMEWORKS = ("keras", "tensorflow")

# Each thread waits, in the middle of its first import, until the other is in the middle of its own: or, where one has to
# wait for the other from the beginning, for PATIENCE seconds.
TWO_JOBS = """
import importlib.abc, os, sys, threading, traceback

PATIENCE = 3
half_way = {name: threading.Event() for name in ("tensorflow", "keras")}
inside = {"tensorflow.python": "tensorflow", "keras.src": "keras"}


class Pause(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in inside:
            half_way[inside[name]].set()
            for other in half_way.values():
                other.wait(PATIENCE)


def attribute():
    import numpy as np

    from backend.attribution.gradients import AttributedModel

    looked = AttributedModel(lambda pixels: pixels[:, 0, 0]).look(np.ones((1, 2, 2, 3), np.float32), 1)
    assert looked.label == 1, looked


def train():
    import numpy as np

    from backend.learning.triplets import triplet_loss

    losses = triplet_loss("hard", 1.0)(np.array([0, 0, 1]), np.array([[1, 0], [1, 0], [0, 1]], np.float32))
    assert losses.shape == (3,), losses


failed = []


def run(job):
    try:
        job()
    except BaseException:
        failed.append(job.__name__)
        traceback.print_exc()


from backend.attribution import gradients
from backend.learning import triplets

sys.meta_path.insert(0, Pause())
jobs = {"attribute": attribute, "train": train}
threads = [threading.Thread(target=run, args=(jobs[name],), daemon=True) for name in sys.argv[1:]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(200)
os._exit(2 if any(thread.is_alive() for thread in threads) else len(failed) > 0)
"""


@pytest.mark.parametrize("order", [("attribute", "train"), ("train", "attribute")], ids="-".join)
def test_two_jobs_of_a_new_process_need_them_at_the_same_moment(order: tuple[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_JOBS, *order], cwd=REPOSITORY, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_nothing_else_imports_them() -> None:
    """But for types alone, which no running program imports."""
    found = []
    for path in sorted((REPOSITORY / "backend").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for_types = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            if node not in for_types and any(name.split(".")[0] in FRAMEWORKS for name in names):
                found.append(path.relative_to(REPOSITORY).as_posix())
    assert set(found) == {"backend/frameworks.py"}
