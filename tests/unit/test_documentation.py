"""Nothing that a person can set, run or call is left undocumented."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from backend import extensions
from backend.cli.app import COMMANDS, GROUPS, build_app
from backend.cli.settings import settings_page
from backend.settings import setting_names
from tests.application import AppFactory

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_settings_page_is_the_one_that_the_settings_make() -> None:
    assert read("docs/settings.md") == settings_page(), "run `make docs`"


def test_every_setting_has_a_row() -> None:
    rows = set(re.findall(r"^\| `([A-Z_]+)` \|", read("docs/settings.md"), flags=re.M))
    assert rows == set(setting_names())


def test_every_command_is_in_the_readme() -> None:
    table = "\n".join(line for line in read("README.md").splitlines() if line.startswith("| `"))
    commands = {command.__name__.replace("_", "-") for command in COMMANDS} | set(GROUPS)
    assert commands == set(get_command(build_app()).commands)
    missing = {name for name in commands if f"`{name}`" not in table}
    assert not missing


def test_every_command_and_option_has_help() -> None:
    def check(command: object, path: str) -> None:
        assert command.help, path
        for parameter in command.params:
            assert parameter.help, f"{path} {parameter.name}"
        for name, child in getattr(command, "commands", {}).items():
            check(child, f"{path} {name}")

    check(get_command(build_app()), "backend")


def test_every_endpoint_is_documented(app_factory: AppFactory) -> None:
    app = app_factory().client.application
    documented = set(re.findall(r"`(?:GET|POST|, )+ (/[^`]*)`", read("docs/api.md")))
    rules = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"}
    assert rules == documented


PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_to_files(page: str) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", read(page))
    missing = [target for target in targets if not ((ROOT / page).parent / target).exists()]
    assert not missing


def test_each_place_that_contributing_names_is_there() -> None:
    named = re.findall(r"`((?:backend|tests|docs)/[\w/.]*)`", read("CONTRIBUTING.md"))
    assert len(named) > 20
    assert [place for place in named if not (ROOT / place).exists()] == []
    groups = {value for name, value in vars(extensions).items() if name.isupper()}
    assert set(re.findall(r"`(label_order\.\w+)`", read("CONTRIBUTING.md"))) == groups


def test_contributing_has_every_layer_in_its_table() -> None:
    table = read("CONTRIBUTING.md").split("## The layers")[1].split("## Where to add")[0]
    rows = {
        name.removesuffix(".py") for row in re.findall(r"^\| (`.*?) \|", table, flags=re.M) for name in row.split("`")
    }
    layers = {path.stem for path in (ROOT / "backend").iterdir() if not path.name.startswith("__")}
    assert layers - rows == set()
    assert {row for row in rows if row.strip(", ")} - layers == set()


def test_the_drawing_of_the_layers_is_what_the_linter_holds() -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    height = {
        name.strip().removeprefix("backend."): (-number, -level)
        for number, contract in enumerate(layers)
        for level, names in enumerate(contract)
        for name in names.split("|")
    }
    drawing = re.search(r"```mermaid\ngraph TD\n(.*?)```", read("docs/architecture.md"), flags=re.S)
    assert drawing is not None
    arrows = re.findall(r"^ +(\w+)(?:\[.*?\])? --> (\w+)", drawing.group(1), flags=re.M)
    drawn = {name for arrow in arrows for name in arrow}
    assert drawn == set(height) - {"__main__", "metrics"}
    assert all(height[above] > height[below] for above, below in arrows)


def test_what_lies_on_one_level_is_named_as_the_linter_holds_it() -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    held = {
        frozenset(name.strip().removeprefix("backend.") for name in names.split("|"))
        for contract in contracts
        if contract["type"] == "layers"
        for names in contract["layers"]
        if "|" in names
    }
    sentence = re.search(
        r"Packages on one level do not know each other:(.*?)\.\n\n", read("docs/architecture.md"), re.S
    )
    assert sentence is not None
    named = {
        frozenset(name.removesuffix(".py") for name in re.findall(r"`([\w.]+)`", group))
        for group in sentence.group(1).split(";")
    }
    # The lowest level has only what imports nothing.
    assert named == held - {frozenset(("errors", "progress", "files"))}
