"""The labels that tasks bring are kept with their project; indexes for polls and for purging jobs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project", sa.Column("dynamic_options", sa.JSON(), server_default="{}", nullable=False))
    op.create_index("ix_annotation_received", "annotation", ["project_id", "received_at"])
    op.create_index("ix_job_ended", "job", ["status", "finished_at"])


def downgrade() -> None:
    op.drop_index("ix_job_ended", "job")
    op.drop_index("ix_annotation_received", "annotation")
    op.drop_column("project", "dynamic_options")
