"""A package of somebody else adds one of each through entry points, and the product uses them.

It is installed for a process of its own, as registries are filled when they are imported.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from backend import extensions
from backend.errors import SettingsError
from tests.application import REPOSITORY

pytestmark = pytest.mark.unit

MODULE = '''
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from backend.features.mobilenet import MOBILENETS
from backend.features.spec import single
from backend.labels.controls.choices import ChoicesHandler
from backend.learning.export.format import ExportFormat
from backend.priority.candidates import candidate_rows
from backend.service.projects.options import project_options
from backend.service.projects.project import find_project
from backend.service.training.learners import FitResult, Learner


def newest_first(view, rng, count):
    """Rows from the last to the first."""
    rows = candidate_rows(view)[::-1][:count]
    return rows, np.linspace(1.0, 0.5, rows.size, dtype=np.float32)


class Pictures(ChoicesHandler):
    kind = "pictures"


def write(model, path):
    path.write_text("a model")


def load(path):
    return lambda images: np.zeros((len(images), 2), np.float32)


def greet(runtime, job, progress):
    progress(0.5, "greeting")
    options = project_options(runtime.settings, find_project(runtime, job.project_id).extra_params)
    return {"message": f"{options.greeting}, project {job.project_id}"}


backbone = replace(single(MOBILENETS[0]), name="our_mobilenet")
learner = Learner(
    "prior again", "head", lambda data, options: True, lambda data, options, start, progress: FitResult(data.prior)
)
greeting = (str, Field("Hello", max_length=20, description="How the job greets."))
export = ExportFormat("text", "model.txt", "nothing", write, load)
'''

ENTRY_POINTS = """
[label_order.strategies]
newest_first = our_extensions:newest_first
[label_order.backbones]
our_mobilenet = our_extensions:backbone
[label_order.controls]
pictures = our_extensions:Pictures_handler
[label_order.learners]
prior_again = our_extensions:learner
[label_order.options]
greeting = our_extensions:greeting
[label_order.exports]
text = our_extensions:export
[label_order.jobs]
greet = our_extensions:greet
"""

PROGRAM = """
import json, sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from backend.errors import SettingsError, WeightsError
from backend.features import choose_backbone
from backend.jobs.kinds import Lane, lane_of
from backend.labels import parse_label_config
from backend.learning.export import FORMATS
from backend.priority import OrderOptions, order_pool
from backend.priority.pool_view import PoolView
from backend.service.projects.options import project_options
from backend.service.projects.project import set_up_project
from backend.service.training.learners import LEARNERS, TrainingOptions
from tests.application import Application, installation_settings

folder = Path(sys.argv[1])
found = {}

rng = np.random.default_rng(0)
space = rng.standard_normal((20, 8)).astype(np.float32)
space /= np.linalg.norm(space, axis=1, keepdims=True)
view = PoolView(space, np.full((20, 2), 0.5, np.float32), np.arange(20) < 5)
found["strategy"] = order_pool(view, OrderOptions(strategy="newest_first", evaluation_share=0.0)).rows[:3].tolist()

try:
    choose_backbone("our_mobilenet", models_dir=folder, download=False)
except WeightsError as error:
    found["backbone"] = str(error)

config = parse_label_config(
    '<View><Image name="i" value="$i"/><Pictures name="p" toName="i"><Choice value="Cat"/></Pictures></View>'
)
control = config.controls[0]
found["control"] = [control.kind, control.result([0], 0.5)["type"], control.read([control.result([0], 0.5)])]

learner = LEARNERS["prior_again"]
data = SimpleNamespace(prior=np.full((4, 2), 0.5), embeddings=None)
found["learner"] = learner.fit(data, TrainingOptions(), None, print).predictions.tolist()

format = FORMATS["text"]
format.write(None, folder / format.file_name)
found["export"] = [(folder / "model.txt").read_text(), list(format.load(folder / "model.txt")(np.zeros((3, 1))).shape)]

application = Application(installation_settings(folder))
set_up_project(application.runtime, 1, extra_params={"greeting": "Servus"})
job = application.jobs.enqueue("greet", 1)
application.runner.run(job)
found["job"] = [application.ended(job).message, lane_of("greet") is Lane.LONG]
try:
    project_options(application.settings, {"greetings": 1})
except SettingsError as error:
    found["option"] = str(error)
application.close()
print(json.dumps(found))
"""


def install(folder: Path, entry_points: str, module: str) -> None:
    """What an installer leaves: the module, and beside it the entry points of its package."""
    (folder / "our_extensions.py").write_text(module)
    described = folder / "our_extensions-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: our-extensions\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(entry_points)


def test_one_of_each_from_another_package_is_found_and_used(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, ENTRY_POINTS, MODULE + "\nPictures_handler = Pictures()\n")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=REPOSITORY,
        env={"PYTHONPATH": f"{site}:{REPOSITORY}", "PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["strategy"] == [19, 18, 17]
    assert "weights" in found["backbone"], "it is chosen by its name, and its weights are looked for"
    assert found["control"] == ["pictures", "pictures", [0]]
    assert found["learner"] == [[0.5, 0.5]] * 4
    assert found["export"] == ["a model", [3, 2]]
    assert found["job"] == ["Servus, project 1", True]
    assert "did you mean greeting?" in found["option"]


@pytest.mark.parametrize(
    ("points", "says"),
    [("margin = our_extensions:thing", "which is there already"), ("broken = our_extensions:gone", "cannot be loaded")],
)
def test_an_extension_that_does_not_fit_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: str, says: str
) -> None:
    install(tmp_path, f"[{extensions.STRATEGIES}]\n{points}\n", "thing = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SettingsError, match=says) as caught:
        extensions.extensions(extensions.STRATEGIES, ["margin"])
    assert "our-extensions" in str(caught.value)
