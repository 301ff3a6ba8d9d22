from __future__ import annotations

import numpy as np
import pytest

from backend.features.normalise import normalise_parts

pytestmark = pytest.mark.unit


def test_each_part_has_unit_length_and_its_square_is_the_share_of_the_sum() -> None:
    embeddings = np.random.default_rng(0).gamma(1.0, 2.0, (9, 7)).astype(np.float32)
    normalised = normalise_parts(embeddings, (3, 4))
    for part in (slice(0, 3), slice(3, 7)):
        np.testing.assert_allclose(np.linalg.norm(normalised[:, part], axis=1), 1.0, rtol=1e-6)
        shares = embeddings[:, part] / embeddings[:, part].sum(axis=1, keepdims=True)
        np.testing.assert_allclose(normalised[:, part] ** 2, shares, rtol=1e-5)


def test_signs_are_kept_and_power_1_only_scales() -> None:
    embeddings = np.array([[-4.0, 1.0, -3.0, 4.0]], np.float32)
    np.testing.assert_allclose(normalise_parts(embeddings, (2, 2))[0, :2] * 5**0.5, [-2, 1], rtol=1e-6)
    np.testing.assert_allclose(normalise_parts(embeddings, (2, 2), power=1.0)[0, 2:], [-0.6, 0.8], rtol=1e-6)
    third = normalise_parts(embeddings, (4,), power=1 / 3)[0]
    np.testing.assert_allclose(third / third[1], np.cbrt(embeddings[0]), rtol=1e-5)


def test_float16_stays_float16_and_a_part_of_nothing_is_zeros() -> None:
    embeddings = np.array([[0, 0, 6.0, 0.5], [np.nan, 1, np.inf, 1], [1e-4, 1e-4, 6e4, 6e4]], np.float16)
    normalised = normalise_parts(embeddings, (2, 2))
    assert normalised.dtype == np.float16
    assert np.isfinite(normalised).all()
    np.testing.assert_array_equal(normalised[0, :2], 0)
    np.testing.assert_array_equal(normalised[1], 0)
    np.testing.assert_allclose(normalised[2], 0.5**0.5, rtol=1e-3)


def test_rows_do_not_depend_on_one_another() -> None:
    embeddings = np.random.default_rng(1).gamma(1.0, 1.0, (9000, 5)).astype(np.float16)
    normalised = normalise_parts(embeddings, (2, 3))
    np.testing.assert_array_equal(normalised[8995:], normalise_parts(embeddings[8995:], (2, 3)))


def test_widths_must_fit() -> None:
    with pytest.raises(ValueError, match=r"\[n, 2\+4\]"):
        normalise_parts(np.zeros((1, 5), np.float32), (2, 4))
