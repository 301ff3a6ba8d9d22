"""Inference by TensorFlow, for machines where it sees a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic

import numpy as np

from backend.features.runner import Key
from backend.features.spec import BackboneSpec, Floats, Pixels
from backend.features.tuned import build_tuned

GPU_DEVICE_FILES = (Path("/dev/nvidiactl"), Path("/dev/kfd"), Path("/dev/dxg"))  # NVIDIA, AMD, Windows' Linux


def sees_gpu() -> bool:
    """Whether TensorFlow could run on a GPU; it is imported (seconds, 500 MB) only where a driver is present."""
    if not any(path.exists() for path in GPU_DEVICE_FILES):
        return False
    from backend.frameworks import tf

    return bool(tf.config.list_physical_devices("GPU"))


class TensorFlowSession(Generic[Key]):
    """Images are gathered into batches, which a GPU needs to be busy."""

    def __init__(self, runner: TensorFlowRunner) -> None:
        self._runner = runner
        self._waiting: list[tuple[Key, Pixels]] = []
        self._results: list[tuple[Key, Floats]] = []

    def submit(self, key: Key, image: Pixels) -> None:
        self._waiting.append((key, image))
        if len(self._waiting) >= self._runner.batch_size:
            self._run()

    def _run(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            embeddings = self._runner.embed(np.stack([image for _, image in waiting]))
            self._results += [(key, row) for (key, _), row in zip(waiting, embeddings, strict=True)]

    def finished(self) -> Iterator[tuple[Key, Floats]]:
        results, self._results = self._results, []
        yield from results

    def drain(self) -> Iterator[tuple[Key, Floats]]:
        self._run()
        yield from self.finished()


class TensorFlowRunner:
    """The Keras network of a backbone, compiled by TensorFlow for the best device that it sees."""

    def __init__(
        self, spec: BackboneSpec, weights: Sequence[Path], tuned: Path | None = None, *, batch_size: int = 32
    ) -> None:
        from backend.frameworks import tf

        body = build_tuned(spec, weights, tuned).body
        self.batch_size = batch_size
        self._tf = tf
        self._infer = tf.function(
            lambda pixels: body((tf.cast(pixels, tf.float32) - spec.mean) / spec.scale, training=False),
            input_signature=[tf.TensorSpec((None, spec.input_size, spec.input_size, 3), tf.uint8)],
        )

    @property
    def engine(self) -> str:
        device = "a GPU" if self._tf.config.list_physical_devices("GPU") else "the CPU"
        return f"TensorFlow {self._tf.__version__} on {device}, batches of {self.batch_size}"

    def embed(self, pixels: Pixels) -> Floats:
        """uint8 RGB [n, size, size, 3] to float32 [n, d]."""
        return np.asarray(self._infer(pixels))

    @contextmanager
    def session(self) -> Iterator[TensorFlowSession[Any]]:
        yield TensorFlowSession(self)
