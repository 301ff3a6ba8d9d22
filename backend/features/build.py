"""The converting process: a Keras network to an OpenVINO graph that takes raw pixels.

Run as `python -m backend.features.build NAME OUTPUT WEIGHTS … [--tuned WEIGHTS]`, so that TensorFlow never enters the serving process.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from backend.errors import WeightsError
from backend.features.compiled import CLASSIFIER_FILE, FAULT_FILE, MODEL_FILE
from backend.features.openvino_import import import_openvino
from backend.features.registry import BACKBONES
from backend.features.spec import BackboneSpec, ImageNetNetwork
from backend.features.tuned import build_tuned


def write_compiled(spec: BackboneSpec, network: ImageNetNetwork, output: Path) -> None:
    """Write graph and ImageNet layer; the graph takes uint8 RGB [1, size, size, 3] and gives float32 [1, d].

    A batch of one keeps each image's activations within the processor's cache: on two cores, one image on each
    was measured to be nearly twice as fast as batches of 32.
    """
    import tensorflow as tf

    openvino = import_openvino()
    shape = (1, spec.input_size, spec.input_size, 3)
    body = tf.function(lambda pixels: network.body(pixels, training=False))
    model = openvino.convert_model(body.get_concrete_function(tf.TensorSpec(shape, tf.float32)))
    processor = openvino.preprocess.PrePostProcessor(model)
    processor.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    processor.input().model().set_layout(openvino.Layout("NHWC"))
    processor.input().preprocess().convert_element_type(openvino.Type.f32).mean(spec.mean).scale(spec.scale)
    model = processor.build()
    openvino.save_model(model, output / MODEL_FILE, compress_to_fp16=False)
    np.savez(output / CLASSIFIER_FILE, kernel=network.kernel, bias=network.bias)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(BACKBONES))
    parser.add_argument("output", type=Path)
    parser.add_argument("weights", type=Path, nargs="+", help="one file for each network, in their order")
    parser.add_argument("--tuned", type=Path, help="weights of a body that was fine-tuned")
    arguments = parser.parse_args()
    spec = BACKBONES[arguments.name]
    try:
        network = build_tuned(spec, arguments.weights, arguments.tuned)
    except WeightsError as error:
        (arguments.output / FAULT_FILE).write_text(str(error), encoding="utf-8")
        raise SystemExit(1) from error
    write_compiled(spec, network, arguments.output)


if __name__ == "__main__":
    main()
