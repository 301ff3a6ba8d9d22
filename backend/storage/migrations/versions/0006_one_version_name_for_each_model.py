"""One version name for each model: whether a window arrived whole, and which versions were superseded since when"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project", sa.Column("window_settled", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("project", sa.Column("superseded_checked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "superseded_version",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cleaned", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "version"),
    )


def downgrade() -> None:
    op.drop_table("superseded_version")
    op.drop_column("project", "superseded_checked_at")
    op.drop_column("project", "window_settled")
