"""The store of embeddings in SQLite, and in PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, func, select, text, update

from backend.storage.feature_store import LOOKUP_CHUNK, FeatureStore
from backend.storage.schema import Base, Feature

pytestmark = pytest.mark.unit

DIM = 5


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def vector(number: float) -> np.ndarray:
    return np.linspace(number, number + 1, DIM).astype(np.float16)


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(Feature)).scalar_one())


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'features.db'}"
    else:
        url = request.getfixturevalue("postgresql_database")
    engine = create_engine(url)
    Base.metadata.create_all(engine, [Base.metadata.tables["feature"]])
    yield engine
    engine.dispose()


def test_what_is_put_is_got(engine: Engine) -> None:
    store = FeatureStore(engine)
    store.put("a-1", [(digest(1), vector(1)), (digest(2), vector(2))])
    found = store.get([digest(2), digest(3), digest(1), digest(2)], "a-1")
    assert set(found) == {digest(1), digest(2)}
    assert found[digest(2)].dtype == np.float16
    np.testing.assert_array_equal(found[digest(2)], vector(2))
    assert store.get([digest(1)], "b-2") == {}
    assert store.get([], "a-1") == {}
    store.put("a-1", [])


def test_storing_twice_is_storing_once_and_the_last_stays(engine: Engine) -> None:
    store = FeatureStore(engine)
    for _ in range(2):
        store.put("a-1", [(digest(1), vector(1)), (digest(1), vector(1))])
    store.put("b-2", [(digest(1), vector(8))])
    store.put("a-1", [(digest(1), vector(3))])
    assert count(engine) == 2
    np.testing.assert_array_equal(store.get([digest(1)], "a-1")[digest(1)], vector(3))


def test_bytes_are_little_endian_float16(engine: Engine) -> None:
    FeatureStore(engine).put("a-1", [(digest(1), np.array([1.0, -2.0], np.float32))])
    with engine.connect() as connection:
        data = connection.execute(select(Feature.embedding)).scalar_one()
    assert bytes(data) == b"\x00\x3c\x00\xc0"


def test_a_matrix_follows_the_order_asked_for(engine: Engine) -> None:
    store = FeatureStore(engine)
    store.put("a-1", [(digest(number), vector(number)) for number in range(4)])
    matrix, found = store.matrix([digest(3), digest(9), digest(0), digest(3)], "a-1", DIM)
    assert matrix.shape == (4, DIM)
    assert matrix.dtype == np.float16
    assert found.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(matrix, np.stack([vector(3), np.zeros(DIM), vector(0), vector(3)]).astype(np.float16))


def test_a_row_of_another_length_counts_as_not_found(engine: Engine) -> None:
    store = FeatureStore(engine)
    store.put("a-1", [(digest(1), np.ones(DIM + 1, np.float16)), (digest(2), vector(2))])
    matrix, found = store.matrix([digest(1), digest(2)], "a-1", DIM)
    assert found.tolist() == [False, True]
    assert not matrix[0].any()


def test_more_rows_than_one_chunk(engine: Engine) -> None:
    store = FeatureStore(engine)
    n = 2 * LOOKUP_CHUNK + 7
    store.put("a-1", [(digest(number), vector(number % 100)) for number in range(n)])
    matrix, found = store.matrix([digest(number) for number in range(n)], "a-1", DIM)
    assert found.all()
    np.testing.assert_array_equal(matrix, np.stack([vector(number % 100) for number in range(n)]))
    assert len(store.get([digest(number) for number in range(n)], "a-1")) == n


@pytest.mark.parametrize("embedding", [np.array([1.0, np.nan]), np.array([np.inf]), np.ones((2, 2)), np.float16(1)])
def test_what_is_no_vector_of_finite_numbers_is_refused(engine: Engine, embedding: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no vector of finite numbers"):
        FeatureStore(engine).put("a-1", [(digest(1), vector(1)), (digest(2), embedding)])
    assert count(engine) == 0


def test_a_value_beyond_float16_is_refused_rather_than_stored_as_infinity(engine: Engine) -> None:
    with pytest.raises(ValueError, match="no vector of finite numbers"):
        FeatureStore(engine).put("a-1", [(digest(1), np.array([1e6], np.float32))])


def test_writers_side_by_side(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.execute(text("PRAGMA journal_mode=WAL"))
    store = FeatureStore(engine)
    items = [(digest(number), vector(number)) for number in range(50)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda part: store.put("a-1", part), [items, items[::-1], items[10:40], items[::2]]))
    assert count(engine) == 50


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    puts=st.lists(st.lists(st.tuples(st.integers(0, 8), st.integers(-50, 50)), max_size=6), max_size=5),
    asked=st.lists(st.integers(0, 9), max_size=12),
)
def test_it_is_a_dictionary(puts: list[list[tuple[int, int]]], asked: list[int]) -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine, [Base.metadata.tables["feature"]])
    store = FeatureStore(engine)
    model: dict[int, int] = {}
    for items in puts:
        store.put("a-1", [(digest(number), vector(value)) for number, value in items])
        model.update(items)
    matrix, found = store.matrix([digest(number) for number in asked], "a-1", DIM)
    assert found.tolist() == [number in model for number in asked]
    for row, number in zip(matrix, asked, strict=True):
        np.testing.assert_array_equal(row, vector(model[number]) if number in model else np.zeros(DIM))
    engine.dispose()


@pytest.mark.parametrize("damage", ["short", "odd", "changed", "nan", "long", "empty"])
def test_a_damaged_embedding_is_removed_and_costs_no_other(engine: Engine, damage: str) -> None:
    store = FeatureStore(engine)
    store.put("a-1", [(digest(number), vector(number)) for number in range(3)])
    whole = vector(1).tobytes()
    nan = np.full(DIM, np.nan, np.float16).tobytes()
    damaged = {"short": whole[:-2], "odd": whole[:-1], "changed": b"\1" + whole[1:], "nan": nan, "long": whole * 2}
    with engine.begin() as connection:
        row = update(Feature).where(Feature.digest == digest(1))
        connection.execute(row.values(embedding=damaged.get(damage, b"")))
        if damage == "nan":  # stored before there were checksums
            connection.execute(row.values(checksum=None))
    if damage in ("short", "nan"):
        matrix, found = store.matrix([digest(0), digest(1), digest(2), digest(1)], "a-1", DIM)
        assert found.tolist() == [True, False, True, False]
        assert np.isfinite(matrix).all()
    else:
        assert set(store.get([digest(number) for number in range(3)], "a-1", DIM)) == {digest(0), digest(2)}
    assert store.seen([digest(1)], "a-1") == set()
    store.put("a-1", [(digest(1), vector(1))])
    np.testing.assert_array_equal(store.get([digest(1)], "a-1", DIM)[digest(1)], vector(1))
