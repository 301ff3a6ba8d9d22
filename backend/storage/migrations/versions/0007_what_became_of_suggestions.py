"""What became of suggestions: which one an annotation started from, and whether it was accepted as it was"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("annotation", sa.Column("created_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("annotation", sa.Column("parent_prediction", sa.BigInteger(), nullable=True))
    op.add_column("annotation", sa.Column("suggested_by", sa.String(length=100), server_default="", nullable=False))
    op.add_column("annotation", sa.Column("suggestion", sa.String(length=16), nullable=True))


def downgrade() -> None:
    for name in ("suggestion", "suggested_by", "parent_prediction", "created_at"):
        op.drop_column("annotation", name)
