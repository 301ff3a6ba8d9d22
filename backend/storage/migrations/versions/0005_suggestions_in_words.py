"""The suggestion of a place in words, for people"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("queue_item", sa.Column("suggestion", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("queue_item", "suggestion")
