"""The reader of legacy PyTorch files admits tensors and nothing else."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import WeightsError
from backend.features.torch_file import MAGIC_NUMBER, PROTOCOL_VERSION, read_state_dict

pytestmark = pytest.mark.unit

SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


def tensor_opcodes(
    key: str,
    count: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *,
    offset: int = 0,
    storage: str = "FloatStorage",
) -> bytes:
    """The pickle opcodes by which PyTorch writes one tensor."""

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    reference = b"(" + text("storage") + b"ctorch\n" + storage.encode() + b"\n" + text(key) + text("cpu")
    reference += number(count) + b"NtQ"
    hooks = b"ccollections\nOrderedDict\n)R"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + reference
        + number(offset)
        + numbers(shape)
        + numbers(strides)
        + b"\x89"
        + hooks
        + b"tR"
    )


def state_pickle(**tensors: bytes) -> bytes:
    items = b"".join(b"X" + struct.pack("<I", len(name)) + name.encode() + code for name, code in tensors.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u."


def write_file(path: Path, state: bytes, keys: list[str], *storages: bytes) -> Path:
    head = b"".join(pickle.dumps(value, 2) for value in (MAGIC_NUMBER, PROTOCOL_VERSION, SYSTEM))
    path.write_bytes(head + state + pickle.dumps(keys, 2) + b"".join(storages))
    return path


def floats(*values: float) -> bytes:
    return struct.pack("<q", len(values)) + np.array(values, "<f4").tobytes()


def test_tensors_with_strides_offsets_and_shared_storages(tmp_path: Path) -> None:
    state = state_pickle(
        matrix=tensor_opcodes("7", 6, (2, 3), (3, 1)),
        transposed=tensor_opcodes("7", 6, (3, 2), (1, 3)),
        row=tensor_opcodes("7", 6, (3,), (1,), offset=3),
        scalar=tensor_opcodes("9", 1, (), (), storage="LongStorage"),
    )
    long = struct.pack("<q", 1) + np.array([42], "<i8").tobytes()
    path = write_file(tmp_path / "a.pth", state, ["7", "9"], floats(1, 2, 3, 4, 5, 6), long)

    tensors = read_state_dict(path)

    assert list(tensors) == ["matrix", "transposed", "row", "scalar"]
    np.testing.assert_array_equal(tensors["matrix"], np.array([[1, 2, 3], [4, 5, 6]], np.float32))
    np.testing.assert_array_equal(tensors["transposed"], np.array([[1, 4], [2, 5], [3, 6]], np.float32))
    np.testing.assert_array_equal(tensors["row"], np.array([4, 5, 6], np.float32))
    assert tensors["scalar"] == np.int64(42)
    assert tensors["matrix"].dtype == np.float32


class RunsACommand:
    """Pickled, it is the classic attack: unpickling calls os.system."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_a_pickle_that_runs_a_command_is_refused_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    proof = tmp_path / "proof"
    state = pickle.dumps(collections.OrderedDict(weight=RunsACommand(f"touch {proof}")), protocol)
    path = write_file(tmp_path / "evil.pth", state, [])
    with pytest.raises(WeightsError, match=r"system, which is no tensor"):
        read_state_dict(path)
    assert not proof.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cbuiltins\neval\n(X\x01\x00\x00\x001tR.",
        b"\x80\x02cbuiltins\ngetattr\n.",
        b"ctorch.storage\n_load_from_bytes\n(C\x01xtR.",
        b"cnumpy\nload\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"(S'x'\nios\nsystem\n.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02ccollections\nOrderedDict\n)\x81.",
        b"\x80\x02(ccollections\nOrderedDict\no.",
        b"\x80\x02ctorch\nFloatStorage\n)R.",
        b"X\x04\x00\x00\x00evilQ.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(X\x01\x00\x00\x00xK\x00)t\x89tR.",
    ],
    ids=[
        "eval",
        "getattr",
        "nested torch load",
        "numpy load",
        "stack global",
        "inst",
        "extension registry",
        "newobj",
        "obj",
        "calling a storage type",
        "foreign persistent id",
        "tensor on no storage",
    ],
)
def test_every_other_way_into_code_is_refused(tmp_path: Path, program: bytes) -> None:
    path = write_file(tmp_path / "evil.pth", program, [])
    with pytest.raises(WeightsError, match="cannot be read"):
        read_state_dict(path)


def test_the_first_pickle_of_the_file_is_guarded_too(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(RunsACommand(f"touch {proof}"), 2))
    with pytest.raises(WeightsError, match="system"):
        read_state_dict(path)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("count", "shape", "strides", "offset"),
    [
        (4, (2, 3), (3, 1), 0),
        (4, (4,), (1,), 1),
        (4, (2,), (-1,), 1),
        (4, (-2,), (1,), 0),
        (4, (2,), (1,), -1),
        (4, (1000, 1000), (0, 0), 0),
        (4, (2, 2), (1,), 0),
    ],
    ids=["too large", "offset", "negative stride", "negative size", "negative offset", "inflated", "ranks differ"],
)
def test_a_tensor_outside_its_storage_is_refused(
    tmp_path: Path, count: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    state = state_pickle(weight=tensor_opcodes("1", count, shape, strides, offset=offset))
    path = write_file(tmp_path / "a.pth", state, ["1"], floats(1, 2, 3, 4))
    with pytest.raises(WeightsError, match="tensor"):
        read_state_dict(path)


@pytest.mark.parametrize("kept", [0, 10, 100, 200, -1])
def test_a_file_cut_short_is_named(tmp_path: Path, kept: int) -> None:
    state = state_pickle(weight=tensor_opcodes("1", 4, (4,), (1,)))
    path = write_file(tmp_path / "short.pth", state, ["1"], floats(1, 2, 3, 4))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"short\.pth"):
        read_state_dict(path)


def test_storages_that_do_not_match_the_tensors_are_refused(tmp_path: Path) -> None:
    state = state_pickle(weight=tensor_opcodes("1", 4, (4,), (1,)))
    with pytest.raises(WeightsError, match="list of storages"):
        read_state_dict(write_file(tmp_path / "a.pth", state, ["2"], floats(1, 2, 3, 4)))
    with pytest.raises(WeightsError, match="holds 3 values instead of 4"):
        read_state_dict(write_file(tmp_path / "b.pth", state, ["1"], floats(1, 2, 3)))


def test_a_big_endian_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    values = (MAGIC_NUMBER, PROTOCOL_VERSION, SYSTEM | {"little_endian": False})
    path.write_bytes(b"".join(pickle.dumps(value, 2) for value in values))
    with pytest.raises(WeightsError, match="little-endian"):
        read_state_dict(path)


def test_something_else_entirely(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(io.BytesIO(b"PK\x03\x04 a zip file").getvalue())
    with pytest.raises(WeightsError, match=r"a\.pth cannot be read"):
        read_state_dict(path)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_state_dict(tmp_path / "missing.pth")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_file_gives_tensors_or_a_weights_error(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    state = state_pickle(weight=tensor_opcodes("1", 4, (2, 2), (2, 1)), bias=tensor_opcodes("2", 1, (1,), (1,)))
    path = write_file(tmp_path / "a.pth", state, ["1", "2"], floats(1, 2, 3, 4), floats(5))
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    path.write_bytes(data)
    try:
        sizes = [tensor.size for tensor in read_state_dict(path).values()]
    except WeightsError as error:
        sizes = []
        message = str(error)
    else:
        message = str(path)
    assert str(path) in message
    assert all(size <= 4 for size in sizes)
