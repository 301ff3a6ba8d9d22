"""The options that the documents show for extra params are options that the code takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backend.service.projects.options import ProjectOptions, project_options
from backend.settings import Settings

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).resolve().parents[3]
SHOWN = re.compile(r'\{"(?:strategy|window_size|weights|relevance)".*?\}(?=`|\n)', re.DOTALL)


@pytest.mark.parametrize("document", ["README.md", "docs/ordering.md"])
def test_extra_params_in_the_documents_are_allowed(document: str) -> None:
    shown = SHOWN.findall((REPOSITORY / document).read_text(encoding="utf-8"))
    assert shown
    for text in shown:
        given = json.loads(text)
        options = project_options(Settings(_env_file=None), given)
        assert set(given) <= set(ProjectOptions.model_fields)
        assert options.strategy == given.get("strategy", "default")
