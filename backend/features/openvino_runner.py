"""Inference by OpenVINO on the CPU."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic

import numpy as np

from backend.errors import WeightsError
from backend.features.compiled import CompiledFiles
from backend.features.openvino_import import import_openvino
from backend.features.runner import Key
from backend.features.spec import Floats, Pixels

logger = logging.getLogger(__name__)


class OpenVinoSession(Generic[Key]):
    """Images run one by one on as many streams as the engine has; results wait until they are asked for."""

    def __init__(self, requests: Any) -> None:
        self._requests = requests
        self._results: deque[tuple[Key, Floats]] = deque()
        requests.set_callback(self._keep)

    def _keep(self, request: Any, key: Key) -> None:
        self._results.append((key, np.array(request.get_output_tensor(0).data[0])))

    def submit(self, key: Key, image: Pixels) -> None:
        self._requests.start_async([image[np.newaxis]], key)

    def finished(self) -> Iterator[tuple[Key, Floats]]:
        while self._results:
            yield self._results.popleft()

    def drain(self) -> Iterator[tuple[Key, Floats]]:
        self._requests.wait_all()
        yield from self.finished()


class OpenVinoRunner:
    """A compiled backbone in memory.

    `latency`: one image at a time on all cores, with the least memory (a web process); otherwise one stream a core.
    `threads`: cores to use, 0 = all. Arithmetic is float32 on every processor, so that embeddings agree.
    """

    def __init__(self, files: CompiledFiles, *, threads: int = 0, latency: bool = False) -> None:
        openvino = import_openvino()
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY" if latency else "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        self._compiled = _compile(openvino.Core(), files, options)
        self._openvino = openvino
        self.streams = int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

    @property
    def engine(self) -> str:
        return f"OpenVINO {self._openvino.get_version()} on the CPU, {self.streams} at a time"

    @contextmanager
    def session(self) -> Iterator[OpenVinoSession[Any]]:
        requests = self._openvino.AsyncInferQueue(self._compiled, self.streams)
        try:
            yield OpenVinoSession(requests)
        finally:
            requests.wait_all()


def _compile(core: Any, files: CompiledFiles, options: dict[str, Any]) -> Any:
    """The model compiled for this processor, from its cache where that can be had.

    One process at a time: OpenVINO deletes a half-written entry that another process is still writing.
    The cache only saves time, so a fault with it costs no more than that.
    """
    try:
        with files.processor_cache() as cache:
            return core.compile_model(files.model, "CPU", options | {"CACHE_DIR": str(cache)})
    except (OSError, RuntimeError) as error:
        logger.warning("%s is compiled without the processor's cache: %s", files.id, error)
    try:
        return core.compile_model(files.model, "CPU", options)
    except RuntimeError as error:
        raise WeightsError(f"Compiled model {files.model} cannot be loaded: {error}. Delete its folder.") from error


def computes_in_int8() -> bool:
    """Whether OpenVINO computes in eight bits on this processor; elsewhere int8 would gain nothing."""
    return "INT8" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
