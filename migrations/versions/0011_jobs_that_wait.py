"""Jobs that wait for an event of a resource."""

import sqlalchemy as sa
from alembic import op

import cloudd.core.database

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("core_jobs", sa.Column("waits", cloudd.core.database.Json(), nullable=True))
    op.create_index("ix_core_events_resource", "core_events", ["resource_id", "serial"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_core_events_resource", table_name="core_events")
    op.drop_column("core_jobs", "waits")
