"""Tensors out of a legacy PyTorch file (`torch.save` before 1.6), without PyTorch and without running anything.

Such a file is four pickles (magic number, protocol, system, the state dict), a pickled list of storage keys, and
then every storage as an int64 count followed by raw little-endian values. A pickle is a program, so the one used
here admits no callable but the three that rebuild tensors, and no opcode that reaches for others.
"""

from __future__ import annotations

import collections
import pickle
import pickletools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from backend.errors import WeightsError

Array = npt.NDArray[Any]

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

STORAGE_TYPES: Mapping[str, np.dtype[Any]] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("<i1"),
    "ByteStorage": np.dtype("<u1"),
    "BoolStorage": np.dtype("?"),
}

# The opcodes of data, plus those by which the allowed globals are named and called. Left out: the extension registry
# (EXT1/2/4), INST, OBJ, NEWOBJ(_EX) and BUILD on arbitrary objects, which could reach code without a look-up by name.
_REFUSED_OPCODES = frozenset({"EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "NEXT_BUFFER"})


@dataclass(frozen=True)
class _StorageReference:
    """A storage named by the state dict; its values follow later in the file."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _TensorReference:
    """A strided view of a storage."""

    storage: _StorageReference
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, values: Array) -> Array:
        """A copy of this tensor's values, after checking that it lies within its storage."""
        if any(size < 0 for size in self.shape) or any(stride < 0 for stride in self.strides) or self.offset < 0:
            raise ValueError("a tensor has a negative offset, size or stride")
        if len(self.shape) != len(self.strides):
            raise ValueError("a tensor has as many strides as dimensions")
        if 0 in self.shape:
            return np.empty(self.shape, values.dtype)
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if last >= values.size or int(np.prod(self.shape, dtype=object)) > values.size:
            raise ValueError("a tensor reaches beyond its storage")
        byte_strides = tuple(stride * values.itemsize for stride in self.strides)
        return np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, byte_strides, writeable=False).copy()


def _rebuild_tensor(
    storage: object, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _TensorReference:
    if not isinstance(storage, _StorageReference):
        raise pickle.UnpicklingError("a tensor is built on something that is no storage")
    return _TensorReference(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


class TensorUnpickler(pickle.Unpickler):
    """Admits ordered dicts, tensors and their storages; every other global is refused by name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]  # a dtype: cannot be called
        raise pickle.UnpicklingError(f"the file asks for {module}.{name}, which is no tensor")

    def persistent_load(self, pid: Any) -> _StorageReference:
        match pid:
            case ("storage", np.dtype() as dtype, str(key), str(), int(count), None) if count >= 0:
                return _StorageReference(key, dtype, count)
        raise pickle.UnpicklingError("the file refers to something outside it that is no storage")


def _load_restricted(stream: BinaryIO) -> Any:
    """One pickle from `stream`, which is left just behind it."""
    start = stream.tell()
    for opcode, _, _ in pickletools.genops(stream):
        if opcode.name in _REFUSED_OPCODES:
            raise pickle.UnpicklingError(f"the file uses the pickle opcode {opcode.name}, which no tensor needs")
    end = stream.tell()
    stream.seek(start)
    value = TensorUnpickler(stream, encoding="utf-8").load()
    stream.seek(end)
    return value


def _read_storages(stream: BinaryIO, references: Mapping[str, _StorageReference]) -> dict[str, Array]:
    keys = _load_restricted(stream)
    if not isinstance(keys, list) or set(keys) != set(references):
        raise ValueError("the list of storages is not that of the tensors")
    storages: dict[str, Array] = {}
    for key in keys:
        reference = references[key]
        count = int.from_bytes(stream.read(8), "little")
        if count != reference.count:
            raise ValueError(f"storage {key} holds {count} values instead of {reference.count}")
        data = stream.read(count * reference.dtype.itemsize)
        if len(data) != count * reference.dtype.itemsize:
            raise ValueError("the file is cut short")
        storages[key] = np.frombuffer(data, reference.dtype)
    return storages


def read_state_dict(path: Path) -> dict[str, Array]:
    """The tensors of a legacy PyTorch state dict, by name; convolution kernels keep PyTorch's [out, in, h, w].

    Raises:
        WeightsError: the file is missing, damaged, not of this format, or holds anything but tensors.
    """
    try:
        with path.open("rb") as stream:
            if _load_restricted(stream) != MAGIC_NUMBER or _load_restricted(stream) != PROTOCOL_VERSION:
                raise ValueError("it is not a legacy PyTorch file")
            system = _load_restricted(stream)
            if not isinstance(system, dict) or system.get("little_endian") is not True:
                raise ValueError("it was not written on a little-endian machine")
            state = _load_restricted(stream)
            if not isinstance(state, dict) or not all(
                isinstance(name, str) and isinstance(tensor, _TensorReference) for name, tensor in state.items()
            ):
                raise ValueError("it does not hold a flat dict of tensors")
            references = {tensor.storage.key: tensor.storage for tensor in state.values()}
            storages = _read_storages(stream, references)
            return {name: tensor.view(storages[tensor.storage.key]) for name, tensor in state.items()}
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        pickle.UnpicklingError,
    ) as error:
        raise WeightsError(
            f"Weights file {path} cannot be read: {error}. Reinstall the package it came from, or give another file."
        ) from error
