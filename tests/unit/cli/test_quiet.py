from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.unit.cli.conftest import Run

pytestmark = pytest.mark.unit

PROGRAM = """
import sys
from backend.cli.quiet import quiet_tensorflow

def ours():
    return sum(type(finder).__module__ == "backend.cli.quiet" for finder in sys.meta_path)

quiet_tensorflow()
quiet_tensorflow()
print(ours(), file=sys.stderr)
import tensorflow
print(ours(), tensorflow.__spec__.name, file=sys.stderr)
"""


def test_tensorflow_is_imported_in_silence_and_python_is_still_heard() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stderr == "1\n0 tensorflow\n"


@pytest.mark.parametrize(
    "command",
    [
        ("export", "--project", "1", "--format", "onnx"),
        ("label-image", "--image", "nowhere", "--graph", "nowhere"),
        ("evaluate", "--graph", "nowhere", "--image-dir", "nowhere"),
        ("retrain", "--image-dir", "nowhere"),
    ],
    ids=lambda words: words[0],
)
def test_commands_that_may_load_tensorflow_are_quiet(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    assert run(*command).exit_code != 0
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
