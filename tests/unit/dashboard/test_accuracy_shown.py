"""How the headline figure is shown: a number where it is known, else the interval alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

import backend.dashboard
from backend.learning.accuracy import AccuracyEstimate

pytestmark = pytest.mark.unit


@pytest.fixture
def shown() -> Any:
    folder = Path(backend.dashboard.__file__).parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True).get_template("dashboard/accuracy.html").module


def test_a_narrow_interval_stands_below_its_figure(shown: Any) -> None:
    accuracy = AccuracyEstimate(0.9401, 0.882, 0.998, 1388, 16, 0.93).to_json()
    assert shown.figure(accuracy) == "0.940"
    said = shown.explained(accuracy)
    assert "0.882 to 0.998, on the 1,388 photos without a label; judged by 16 evaluation photos" in said


def test_of_a_wide_interval_the_middle_is_not_shown(shown: Any) -> None:
    accuracy = AccuracyEstimate(0.52, 0.29, 0.75, 468, 8, 0.8).to_json()
    assert shown.figure(accuracy) == "0.29–0.75"
    assert "0.52" not in shown.explained(accuracy)
    assert "8 evaluation photos are too few to tell more closely" in shown.explained(accuracy)
