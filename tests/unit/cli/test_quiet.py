from __future__ import annotations

import subprocess
import sys

import pytest

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
