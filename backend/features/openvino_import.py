"""OpenVINO, silenced before its first import: merely importing it reports to its makers otherwise."""

from __future__ import annotations

import sys
from typing import Any

TELEMETRY_PACKAGE = "openvino_telemetry"


def import_openvino() -> Any:
    """The `openvino` module. Its optional telemetry package counts as not installed, so its own stub takes over."""
    if "openvino" not in sys.modules:
        sys.modules[TELEMETRY_PACKAGE] = None  # type: ignore[assignment]  # makes `import` raise ImportError
    import openvino

    return openvino
