"""Tasks that still have a place in Label Studio, though the current window gives them none.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. What a publication of an earlier release left is found once every place is made right."""
    op.add_column("project", sa.Column("places_left", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("project", "places_left")
