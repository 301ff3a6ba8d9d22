"""The committed locks pin everything, and name no place to fetch it from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]


def requirements(name: str) -> dict[str, Requirement]:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.split(" --hash")[0].strip() for line in text.splitlines())
    parsed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(item.name): item for item in parsed}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-label-studio.txt"])
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert len(lines) > 50
    assert all("==" in line and "--hash=sha256:" in line for line in lines)
    assert not re.search(r"https?://|--index-url|--find-links", "\n".join(lines))


def test_requirements_hold_the_whole_lock_of_what_the_product_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    pinned = requirements("requirements.txt")
    for requirement in map(Requirement, direct):
        pin = str(next(iter(pinned[canonicalize_name(requirement.name)].specifier)).version)
        assert requirement.specifier.contains(pin), requirement
