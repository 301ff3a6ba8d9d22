from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from backend.cli.runtime import open_runtime
from backend.learning.accuracy import AccuracyEstimate
from backend.learning.figures import Figures
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project, set_up_project
from backend.service.versions.registry import record_version, serve
from tests.unit.cli.conftest import REPOSITORY, Run

pytestmark = pytest.mark.unit


@pytest.fixture
def project(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """Project 5 with two trained versions; the second serves."""
    monkeypatch.setenv("WEIGHTS_DIR", str(REPOSITORY / ".cache" / "models"))
    monkeypatch.setenv("BACKBONE", "efficientnet_lite0")
    config = (REPOSITORY / "examples" / "wordnet-branches.xml").read_text(encoding="utf-8")
    with open_runtime(5) as runtime:
        set_up_project(runtime, 5, label_config=config)
        for name, parent, accuracy in (("head-1", "propagation", 0.75), ("head-2", "head-1", 0.8125)):
            record_version(
                runtime,
                5,
                name,
                kind="head",
                parent=parent,
                status="candidate",
                backbone=runtime.backbone.id,
                annotations=40,
                evaluation=Figures(AccuracyEstimate(accuracy, 0.7, 0.9, 100, 12, 0.8)).to_json(),
            )
        serve(runtime, 5, "head-2", pinned=False)
        yield runtime


def test_list_show_and_compare(run: Run, project: Runtime) -> None:
    listed = run("models", "list", "--project", "5").stdout
    assert listed.index("head-1") < listed.index("head-2")
    assert "0.812 (0.700 to 0.900)" in " ".join(listed.split())
    assert json.loads(run("models", "show", "head-2", "--project", "5").stdout)["parent"] == "head-1"
    assert json.loads(run("models", "show", "head-2", "--project", "5").stdout)["accuracy"]["value"] == 0.8125
    compared = run("models", "compare", "head-1", "head-2", "--project", "5").stdout
    assert "+0.0625" in compared


def test_rollback_promote_and_unpin(run: Run, project: Runtime) -> None:
    assert "head-1 serves project 5 again" in run("models", "rollback", "--project", "5").stdout
    found = find_project(project, 5)
    assert (found.serving_version, found.pinned) == ("head-1", True)
    assert "chosen by a person" in run("models", "list", "--project", "5").stdout
    run("models", "promote", "head-2", "--project", "5")
    run("models", "unpin", "--project", "5")
    found = find_project(project, 5)
    assert (found.serving_version, found.pinned) == ("head-2", False)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("models", "list", "--project", "6"), "Project 6"),
        (("models", "promote", "head-9", "--project", "5"), "head-9"),
        (("export", "--project", "5", "--format", "paper"), "paper"),
        (("export", "--project", "5", "--format", "keras", "--version", "head-7"), "head-7"),
        (("export", "--project", "5", "--format", "keras"), "head-2"),  # its files are not there
    ],
)
def test_a_mistake_names_the_thing(run: Run, project: Runtime, arguments: tuple[str, ...], named: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert named in result.stderr
