"""Python inside Label Studio's own Django, for what its API does not offer."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from backend.demo.label_studio_process import LabelStudioProcess


def run_in_django(label_studio: LabelStudioProcess, code: str) -> Any:
    """Run code on the server's database; it leaves its answer in `answer` (JSON)."""
    program = "\n".join(
        (
            "import json, label_studio.server",
            "label_studio.server._setup_env()",
            "answer = None",
            code,
            "print('ANSWER ' + json.dumps(answer))",
        )
    )
    done = subprocess.run(
        [str(label_studio.venv_bin / "python"), "-c", program],
        env=label_studio.environment(),
        cwd=label_studio.data_dir,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("ANSWER "))
    return json.loads(line.removeprefix("ANSWER "))
