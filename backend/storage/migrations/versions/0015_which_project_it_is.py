"""Which project of which Label Studio a number stands for, how new its description is, and whether the counts agree.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

MOMENTS = ("described_at", "made_at", "another_made_at")


def upgrade() -> None:
    """Add the columns. Nobody knows the address that a project was read from: it is read once from the beginning."""
    op.add_column("project", sa.Column("synced_from", sa.Text(), nullable=False, server_default=""))
    op.add_column("project", sa.Column("counts_apart", sa.JSON(), nullable=False, server_default="{}"))
    for name in MOMENTS:
        op.add_column("project", sa.Column(name, sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Remove the columns."""
    for name in (*MOMENTS, "counts_apart", "synced_from"):
        op.drop_column("project", name)
