"""`python -m backend settings`: every setting, from the one table that defines them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from backend.cli.console import output, table
from backend.settings import Settings


def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Write the page docs/settings.md.")] = False,
) -> None:
    """List every setting with its default."""
    if markdown:
        typer.echo(settings_page(), nl=False)
        return
    rows = table("setting", "default", "what it does")
    for name, field in Settings.model_fields.items():
        rows.add_row(name.upper(), default_of(field), f"{field.description} {limits_of(field)}".strip())
    output().print(rows, markup=False)


def settings_page() -> str:
    """All settings as a Markdown page."""
    lines = [
        "# Settings",
        "",
        "Set them in the environment or in a `.env` file in the working directory; the environment wins. A name or value",
        "that is not allowed stops the start and is named. This page is written by `make docs`.",
        "",
        "| setting | default | what it does |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = default_of(field)
        text = f"{field.description} {limits_of(field)}".strip().replace("|", "\\|")
        lines.append(f"| `{name.upper()}` | {f'`{default}`' if default else ''} | {text} |")
    return "\n".join(lines) + "\n"


def default_of(field: FieldInfo) -> str:
    """The default as it would be written in the environment; empty where there is none."""
    value = field.get_default()
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def limits_of(field: FieldInfo) -> str:
    """What a value has to satisfy, in words."""
    options = getattr(field.annotation, "__args__", ())
    if options and all(isinstance(option, str) for option in options):
        return f"One of: {', '.join(options)}."
    bounds = {
        sign: getattr(rule, name)
        for rule in field.metadata
        for name, sign in (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below"))
        if getattr(rule, name, None) is not None
    }
    if not bounds:
        return ""
    words = " ".join(f"{sign} {value}" for sign, value in bounds.items())
    return f"{words[0].upper()}{words[1:]}."
