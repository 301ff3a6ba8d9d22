"""Versions that are compared where they differ, and what the last training learned from"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE model_version RENAME COLUMN recipe TO learner")
    op.add_column("model_version", sa.Column("comparison", sa.JSON(), nullable=True))
    op.add_column("project", sa.Column("learned_from", sa.String(length=64), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("project", "learned_from")
    op.drop_column("model_version", "comparison")
    op.execute("ALTER TABLE model_version RENAME COLUMN learner TO recipe")
