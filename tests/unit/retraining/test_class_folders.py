from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from backend.errors import NotFoundError
from backend.retraining.class_folders import read_class_folders, side_of, sides_of

pytestmark = pytest.mark.unit

ROOT = Path("photos")


def test_the_shares_are_those_asked_for_and_nobody_changes_sides() -> None:
    paths = [ROOT / f"class{number % 7}" / f"photo{number}.jpg" for number in range(20_000)]
    sides = sides_of(ROOT, paths, 10, 20)
    counts = Counter(sides)
    assert counts["testing"] / 20_000 == pytest.approx(0.10, abs=0.01)
    assert counts["validation"] / 20_000 == pytest.approx(0.20, abs=0.01)
    # Alone, in another order, or below another folder: the same side.
    assert sides_of(ROOT, paths[::-1], 10, 20) == sides[::-1]
    elsewhere = Path("/data/copy")
    assert side_of(elsewhere, elsewhere / paths[5].relative_to(ROOT), 10, 20) == sides[5]


def test_photos_of_one_thing_are_on_one_side() -> None:
    for thing in range(50):
        sides = {side_of(ROOT, ROOT / "rose" / f"{thing}_nohash_{shot}.jpg", 30, 30) for shot in range(10)}
        assert len(sides) == 1


def test_folders_are_classes_and_what_is_odd_is_named(tmp_path: Path) -> None:
    for name, count in (("b many", 20), ("a few", 3), ("empty", 0)):
        (tmp_path / name / "deeper").mkdir(parents=True)
        for number in range(count):
            (tmp_path / name / "deeper" / f"{number}.JPG").write_bytes(b"x")
    (tmp_path / "loose.png").write_bytes(b"x")
    (tmp_path / ".hidden").mkdir()
    found = read_class_folders(tmp_path)
    assert found.classes == ("a few", "b many")
    assert Counter(found.labels) == {0: 3, 1: 20}
    text = "\n".join((*found.warnings, *found.few))
    assert "a few: 3 photos, fewer than 20" in text
    assert "empty: no photos in it" in text
    assert "1 photos lie beside" in text
    assert "b many" not in text


def test_one_class_is_no_classifier(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="none does"):
        read_class_folders(tmp_path)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "1.jpg").write_bytes(b"x")
    with pytest.raises(NotFoundError, match="only 'only' does"):
        read_class_folders(tmp_path)
    with pytest.raises(NotFoundError, match="nowhere"):
        read_class_folders(tmp_path / "nowhere")
