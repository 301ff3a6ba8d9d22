"""Photos that somebody may hold open, and those that still show why they were due.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

COLUMNS = ("held_open", "texts_left")


def upgrade() -> None:
    """Add the columns; they fill with the next orders."""
    for name in COLUMNS:
        op.add_column("project", sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Remove the columns."""
    for name in COLUMNS:
        op.drop_column("project", name)
