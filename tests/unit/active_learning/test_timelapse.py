from __future__ import annotations

import csv
import io
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.active_learning.timelapse import (
    COLUMNS,
    TimelapseRow,
    match_answers,
    read_rows,
    write_rows,
    write_template,
)
from backend.errors import BackendError

pytestmark = pytest.mark.unit

PLAIN = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\\/\x00"), min_size=1).filter(
    lambda text: text.strip() == text and text not in (".", "..")
)


@given(st.lists(st.tuples(PLAIN, st.lists(PLAIN, max_size=3), PLAIN), max_size=8))
def test_what_is_written_is_read(pictures: list[tuple[str, list[str], str]]) -> None:
    rows = [TimelapseRow(name, "/".join(folders), "root", label=label) for name, folders, label in pictures]
    assert read_rows(write_rows(rows).encode(), "batch.csv") == rows


def test_columns_in_any_order_old_encodings_and_other_separators() -> None:
    text = 'DeleteFlag;Label;Extra;RelativePath;File\nfalse;"Fußgänger";x;camera 1\\north;a.jpg\nTRUE;;x;;b.jpg\n'
    rows = read_rows(text.encode("cp1252"), "x.csv")
    assert [row.key for row in rows] == ["camera 1/north/a.jpg", "b.jpg"]
    assert rows[0].label == "Fußgänger"
    assert rows[1].delete
    assert read_rows(text.encode("utf-8-sig"), "x.csv") == rows


def test_nothing_that_comes_back_is_lost() -> None:
    labels = {"a/1.jpg": "fox", "a/2.jpg": "Hare", "3.jpg": "unicorn", "4.jpg": "", "else.jpg": "fox"}
    rows = [
        TimelapseRow(Path(key).name, str(Path(key).parent).strip("."), label=label) for key, label in labels.items()
    ]
    rows.append(TimelapseRow("5.jpg", "", label="fox", delete=True))
    found = match_answers(rows, ["a/1.jpg", "a/2.jpg", "3.jpg", "4.jpg", "5.jpg", "6.jpg"], ["fox", "hare"])
    assert found.labels == {"a/1.jpg": "fox", "a/2.jpg": "hare"}
    assert found.unknown_labels == {"3.jpg": "unicorn"}
    assert found.unlabelled == ["4.jpg"]
    assert found.unknown_files == ["else.jpg"]
    assert found.deleted == ["5.jpg"]
    assert len(found.problems()) == 3


def test_a_csv_without_the_columns_names_those_it_has() -> None:
    with pytest.raises(BackendError, match="no column File and no column Label; it has: name, class"):
        read_rows(b"name,class\n1,2\n", "wrong.csv")


def test_the_template_has_a_control_for_every_column(tmp_path: Path) -> None:
    path = tmp_path / "t.tdb"
    for _ in range(2):
        write_template(path, ["fox", 'the "hare"'])
    database = sqlite3.connect(path)
    rows = database.execute("SELECT DataLabel, Type, List FROM TemplateTable ORDER BY SpreadsheetOrder").fetchall()
    database.close()
    assert tuple(row[0] for row in rows) == COLUMNS
    assert tuple(csv.reader(io.StringIO(write_rows([]))).__next__()) == COLUMNS
    choices = {row[0]: json.loads(row[2]) for row in rows if row[1] == "FixedChoice"}
    assert choices["Label"]["ChoiceListNonEmpty"] == ["fox", 'the "hare"']
    assert {row[1] for row in rows} <= {"File", "RelativePath", "Note", "DateTime", "FixedChoice", "DeleteFlag"}
