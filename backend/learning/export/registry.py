"""The export formats; a new one is a file beside this and a line here.

In a package of your own it is an entry point of the group `label_order.exports` that gives an `ExportFormat`.
"""

from __future__ import annotations

from collections.abc import Mapping

from backend import extensions
from backend.extensions import Registry
from backend.learning.export import frozen_graph, keras_file, onnx, openvino, saved_model, tflite
from backend.learning.export.format import ExportFormat

FORMATS: Mapping[str, ExportFormat] = Registry(
    extensions.EXPORTS,
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
    },
)
