"""TensorFlow's own log, which would drown what a command says."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from backend.features.tensorflow_runner import GPU_DEVICE_FILES

TENSORFLOW = "tensorflow"


def quiet_tensorflow() -> None:
    """Let TensorFlow log fatal errors only, and not look for a GPU where none can be. Call it before it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not any(path.exists() for path in GPU_DEVICE_FILES):
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    if TENSORFLOW not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Has TensorFlow imported in silence: while it is, it writes to file 2 before it reads its log level."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != TENSORFLOW:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _SilentLoader(spec.loader)
        return spec


class _SilentLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader  # which also knows where the files of the package are
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        with _native_code_silent():
            self._loader.exec_module(module)


@contextmanager
def _native_code_silent() -> Iterator[None]:
    """What is written to file 2 is dropped, but what Python prints to `sys.stderr`, such as a progress bar, is shown."""
    kept, shown = os.dup(2), sys.stderr
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with os.fdopen(os.dup(kept), "w", encoding="utf-8", buffering=1) as stream:
        sys.stderr = stream
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            sys.stderr = shown
            os.close(nowhere)
            os.close(kept)
