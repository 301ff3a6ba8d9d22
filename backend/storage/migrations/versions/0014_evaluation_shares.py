"""Which shares of evaluation photos a project had, and since when.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. The share at the next order counts as that of all times before."""
    op.add_column("project", sa.Column("evaluation_shares", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("project", "evaluation_shares")
