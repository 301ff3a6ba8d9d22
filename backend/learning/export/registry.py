"""The export formats; a new one is a file beside this and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from backend.learning.export import frozen_graph, keras_file, onnx, openvino, saved_model, tflite
from backend.learning.export.format import ExportFormat

FORMATS: Mapping[str, ExportFormat] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            keras_file.FORMAT,
            saved_model.FORMAT,
            tflite.FORMAT,
            onnx.FORMAT,
            openvino.FORMAT,
            frozen_graph.FORMAT,
        )
    }
)
