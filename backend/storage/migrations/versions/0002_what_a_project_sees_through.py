"""What a project sees its photos through: a fine-tuned backbone, a projection of the embeddings"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Plain columns, added in place: a batch would make SQLite copy the table, and dropping the old one empties its children.
COLUMNS = (
    ("project", "backbone", 100),
    ("project", "projection", 100),
    ("model_version", "projection", 100),
    ("model_version", "recipe", 64),
)


def upgrade() -> None:
    for table, name, length in COLUMNS:
        op.add_column(table, sa.Column(name, sa.String(length=length), server_default="", nullable=False))


def downgrade() -> None:
    for table, name, _ in reversed(COLUMNS):
        op.drop_column(table, name)
