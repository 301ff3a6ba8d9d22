from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.unit.cli.conftest import REPOSITORY, Run

pytestmark = pytest.mark.unit

BRANCHES = REPOSITORY / "examples" / "wordnet-branches.xml"
TOP = range(1, 6)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_readable_photo_has_one_row_in_order(run: Run, set_up: Path, photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "lists" / "queue.csv"
    result = run("order", "--directory", photos, "--labels", BRANCHES, "--output", output)
    assert result.exit_code == 0, result.output
    assert f"unreadable: {photos / 'broken.jpg'}" in result.stderr
    assert "12 photos in order, 1 unreadable" in result.stderr
    rows = rows_of(output.read_text(encoding="utf-8"))
    assert {Path(row["path"]) for row in rows} == set(photos.rglob("*_0*.jpg"))
    assert [int(row["position"]) for row in rows] == list(range(1, 13))
    priority = [float(row["priority"]) for row in rows]
    assert priority == sorted(priority, reverse=True)
    names = list(rows[0])
    assert names[:3] == ["path", "position", "priority"]
    components = names[3 : names.index("label")]
    assert {"uncertainty", "novelty", "coverage"} <= set(components)
    assert names[names.index("label") :] == [
        "label",
        "probability",
        *(f"top{place}_wnid" for place in TOP),
        *(f"top{place}_name" for place in TOP),
        "reason",
    ]
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in (*components, "priority", "probability"))
    assert all(row["reason"] for row in rows)


def test_the_classes_are_right_and_a_second_run_gives_the_same(run: Run, set_up: Path, photos: Path) -> None:
    first = run("order", "--directory", photos, "--labels", BRANCHES)
    again = run("order", "--directory", photos, "--labels", BRANCHES)
    assert rows_of(first.stdout) == rows_of(again.stdout)
    by_name = {Path(row["path"]).stem: row for row in rows_of(first.stdout)}
    assert "espresso" in [by_name["coffee_00"][f"top{place}_name"] for place in TOP]
    assert {by_name["chelsea_00"][f"top{place}_wnid"] for place in TOP} & {"n02123045", "n02123159", "n02124075"}
    assert by_name["chelsea_00"]["label"].endswith("Cat")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--directory", "nowhere", "--labels", BRANCHES), "nowhere"),
        (("--directory", "empty", "--labels", BRANCHES), "empty"),
        (("--directory", "empty"), "label_config.xml"),
        (("--directory", "empty", "--labels", "text.xml"), "Choices"),
        (("--directory", "empty", "--labels", BRANCHES, "--strategy", "guess"), "guess"),
        (("--directory", "empty", "--labels", BRANCHES, "--window", "0"), "window"),
    ],
)
def test_a_mistake_names_the_thing(run: Run, tmp_path: Path, arguments: tuple[str | Path, ...], named: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.xml").write_text('<View><Text name="text" value="$text"/></View>')
    result = run("order", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error:")
    assert named in result.stderr
    assert not result.stdout


def test_an_output_that_cannot_be_written_is_refused_before_a_photo_is_read(
    run: Run, set_up: Path, photos: Path, tmp_path: Path
) -> None:
    result = run("order", "--directory", photos, "--labels", BRANCHES, "--output", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: --output {tmp_path} cannot be written")
    assert "Reading" not in result.stderr


def test_an_output_that_is_there_stays_until_the_new_one_is_complete(run: Run, set_up: Path, tmp_path: Path) -> None:
    output, empty = tmp_path / "order.csv", tmp_path / "empty"
    output.write_text("the last order")
    empty.mkdir()
    assert run("order", "--directory", empty, "--labels", BRANCHES, "--output", output).exit_code == 2
    assert output.read_text() == "the last order"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "order.csv", "state"]


def test_only_unreadable_photos_are_an_error(run: Run, set_up: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "one.jpg").write_bytes(b"no photo")
    result = run("order", "--directory", folder, "--labels", BRANCHES)
    assert result.exit_code == 2
    assert "one.jpg" in result.stderr
