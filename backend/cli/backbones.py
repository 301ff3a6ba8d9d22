"""`python -m backend backbones`: what can see the photos."""

from __future__ import annotations

from backend.cli.console import output, table


def backbones() -> None:
    """List the backbones that BACKBONE may name."""
    from backend.features import BACKBONES

    rows = table("name", "input", "embedding", "networks")
    for name, spec in BACKBONES.items():
        rows.add_row(name, f"{spec.input_size} px", f"{spec.embedding_dim}-d", str(len(spec.networks)))
    output().print(rows)
