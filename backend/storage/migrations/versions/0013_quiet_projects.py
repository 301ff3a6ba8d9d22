"""When the latest change of a project was read: a quiet one is not read again and again.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. What was read before counts as read just now, so that it is read once more with its overlap."""
    op.add_column("project", sa.Column("synced_news_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE project SET synced_news_at = synced_at")


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("project", "synced_news_at")
