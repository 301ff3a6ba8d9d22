"""The converting process: a Keras network to an OpenVINO graph that takes raw pixels.

Run as `python -m backend.features.build NAME OUTPUT WEIGHTS … [--precision int8] [--tuned WEIGHTS]`, so that TensorFlow never enters the serving process.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from backend.errors import QuantisationError, WeightsError
from backend.features.compiled import AGREEMENT_FILE, CLASSIFIER_FILE, FAULT_FILE, MODEL_FILE, REFUSED_FILE
from backend.features.openvino_import import import_openvino
from backend.features.registry import BACKBONES
from backend.features.spec import BackboneSpec, ImageNetNetwork, Precision
from backend.features.tuned import build_tuned


def write_compiled(spec: BackboneSpec, network: ImageNetNetwork, output: Path, precision: Precision = "fp32") -> None:
    """Write graph and ImageNet layer; the graph takes uint8 RGB [1, size, size, 3] and gives float32 [1, d].

    Raises:
        QuantisationError: it cannot be had in int8.

    A batch of one keeps each image's activations within the processor's cache: on two cores, one image on each
    was measured to be nearly twice as fast as batches of 32.
    """
    from backend.frameworks import convert_variables_to_constants_v2, tf

    openvino = import_openvino()
    shape = (1, spec.input_size, spec.input_size, 3)
    body = tf.function(lambda pixels: network.body(pixels, training=False), autograph=False)
    graph = convert_variables_to_constants_v2(body.get_concrete_function(tf.TensorSpec(shape, tf.float32))).graph
    with tempfile.TemporaryDirectory() as folder:
        # A file with constants is read many times faster than a function whose variables OpenVINO looks up one by one.
        frozen = Path(folder) / "frozen.pb"
        frozen.write_bytes(graph.as_graph_def().SerializeToString())
        model = openvino.convert_model(frozen)
    processor = openvino.preprocess.PrePostProcessor(model)
    processor.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    processor.input().model().set_layout(openvino.Layout("NHWC"))
    processor.input().preprocess().convert_element_type(openvino.Type.f32).mean(spec.mean).scale(spec.scale)
    model = processor.build()
    if precision == "int8":
        from backend.features.quantise import quantise

        model, agreement = quantise(model, spec.widths, spec.input_size)
        (output / AGREEMENT_FILE).write_text(json.dumps({"least_mean_cosine": round(agreement, 5)}), encoding="utf-8")
    openvino.save_model(model, output / MODEL_FILE, compress_to_fp16=False)
    np.savez(output / CLASSIFIER_FILE, kernel=network.kernel, bias=network.bias)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(BACKBONES))
    parser.add_argument("output", type=Path)
    parser.add_argument("weights", type=Path, nargs="+", help="one file for each network, in their order")
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32")
    parser.add_argument("--tuned", type=Path, help="weights of a body that was fine-tuned")
    arguments = parser.parse_args()
    spec = BACKBONES[arguments.name]
    os.nice(5)  # who waits for this waits for something else as well: a server that starts, a queue that goes on
    try:
        network = build_tuned(spec, arguments.weights, arguments.tuned)
    except WeightsError as error:
        (arguments.output / FAULT_FILE).write_text(str(error), encoding="utf-8")
        raise SystemExit(1) from error
    try:
        write_compiled(spec, network, arguments.output, arguments.precision)
    except QuantisationError as error:
        (arguments.output / REFUSED_FILE).write_text(str(error), encoding="utf-8")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
