"""Makes a small classify_image_graph_def.pb, with the two files of its archive."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backend.features.inception_2015 import CLASSES_FILE, NAMES_FILE
from backend.labels import imagenet

OUTPUTS = 1008
OLD_VERSION = 8  # of graphs: from 9 on TensorFlow knows no batch normalisation of the old kind


@dataclass(frozen=True)
class OldGraph:
    path: Path
    places: dict[str, int]  # of each WordNet id among the outputs
    _session: list[Any] = field(default_factory=list)

    def ask(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What TensorFlow itself computes: the 2048 values of the pool and 1008 probabilities."""
        import tensorflow as tf

        if not self._session:
            definition = tf.compat.v1.GraphDef()
            definition.ParseFromString(self.path.read_bytes())
            with tf.Graph().as_default() as graph:
                tf.import_graph_def(definition, name="")
            self._session.append(tf.compat.v1.Session(graph=graph))
        pool, answer = self._session[0].run(["pool_3:0", "softmax:0"], {"DecodeJpeg:0": image})
        return pool.ravel(), answer.ravel()

    def trained_best(self, probabilities: np.ndarray) -> str:
        return max(self.places, key=lambda wnid: probabilities[self.places[wnid]])


def write_old_graph(folder: Path, activation: str = "Relu") -> OldGraph:
    """The same node names and operations, fewer and smaller layers; weights are random."""
    import tensorflow as tf

    random_numbers = np.random.default_rng(0)

    def constant(shape: tuple[int, ...], name: str, low: float = -1.0) -> Any:
        return tf.constant(random_numbers.uniform(low, 1.0, shape).astype(np.float32), name=name)

    def convolution(inputs: Any, width: int, kernel: int, stride: int, name: str, scaled: bool) -> Any:
        weights = constant((kernel, kernel, inputs.shape[-1], width), f"{name}/conv2d_params")
        outputs = tf.nn.conv2d(inputs, weights, stride, "SAME", name=f"{name}/Conv2D")
        statistics = [
            constant((width,), f"{name}/batchnorm/moving_mean"),
            constant((width,), f"{name}/batchnorm/moving_variance", low=0.1),
            constant((width,), f"{name}/batchnorm/beta"),
            constant((width,), f"{name}/batchnorm/gamma", low=0.5),
        ]
        old.append((f"{name}/batchnorm", outputs.op.name, [one.op.name for one in statistics], scaled))
        normalised = tf.identity(outputs, name=f"{name}/batchnorm")  # made the old operation below
        checked = tf.debugging.check_numerics(normalised, "", name=f"{name}/CheckNumerics")
        with tf.control_dependencies([checked]):
            passed = tf.identity(normalised, name=f"{name}/control_dependency")
        return getattr(tf.nn, activation.lower())(passed, name=name)

    old: list[tuple[str, str, list[str], bool]] = []
    with tf.Graph().as_default() as graph:
        contents = tf.compat.v1.placeholder(tf.string, (), name="DecodeJpeg/contents")
        pixels = tf.cast(tf.io.decode_jpeg(contents, 3, name="DecodeJpeg"), tf.float32, name="Cast")
        resized = tf.compat.v1.image.resize_bilinear(
            tf.expand_dims(pixels, 0, name="ExpandDims"), (299, 299), name="ResizeBilinear"
        )
        normalised = tf.multiply(tf.subtract(resized, 128.0, name="Sub"), 1 / 128, name="Mul")
        stem = tf.nn.max_pool2d(convolution(normalised, 4, 3, 4, "conv", False), 3, 2, "VALID", name="pool")
        towers = [
            convolution(stem, 3, 1, 2, "mixed/conv", True),
            tf.nn.avg_pool2d(stem, 3, 2, "SAME", name="mixed/tower/pool"),
        ]
        joined = tf.raw_ops.Concat(concat_dim=3, values=towers, name="mixed/join")
        wide = convolution(joined, 2048, 1, 2, "mixed_10", False)
        pooled = tf.nn.avg_pool2d(wide, wide.shape[1], 1, "VALID", name="pool_3")
        flat = tf.reshape(pooled, (1, 2048), name="pool_3/_reshape")
        logits = tf.nn.bias_add(
            tf.matmul(flat, constant((2048, OUTPUTS), "softmax/weights"), name="softmax/logits/MatMul"),
            constant((OUTPUTS,), "softmax/biases"),
            name="softmax/logits",
        )
        tf.nn.softmax(logits * 0.01, name="softmax")
    definition = graph.as_graph_def()
    definition.versions.producer = OLD_VERSION
    nodes = {node.name: node for node in definition.node}
    for name, source, statistics, scaled in old:
        node = nodes[name]
        node.op = "BatchNormWithGlobalNormalization"
        node.ClearField("input")
        node.input.extend([source, *statistics])
        node.attr["variance_epsilon"].f = 0.001
        node.attr["scale_after_normalization"].b = scaled
    path = folder / "classify_image_graph_def.pb"
    path.write_bytes(definition.SerializeToString())
    return OldGraph(path, _write_class_list(folder))


def _write_class_list(folder: Path) -> dict[str, int]:
    wnids = imagenet.wnids()
    places = dict(zip(wnids, random.Random(0).sample(range(1, 1001), len(wnids)), strict=True))
    entries = (
        f'entry {{\n  target_class: {place}\n  target_class_string: "{wnid}"\n}}\n' for wnid, place in places.items()
    )
    (folder / CLASSES_FILE).write_text("# -*- protobuffer -*-\n" + "".join(entries), encoding="utf-8")
    (folder / NAMES_FILE).write_text("n00004475\torganism, being\nn01440764\ttench, Tinca tinca\n", encoding="utf-8")
    return places
