"""users of directories"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

NULLABLE = {"compute_console_tickets": True, "compute_keypairs": False, "compute_server_actions": True, "compute_server_groups": False,
            "compute_servers": False, "core_events": True, "core_jobs": True, "core_quotas": False, "image_tasks": True}


def change(old: int, new: int) -> None:
    for table, nullable in NULLABLE.items():
        with op.batch_alter_table(table) as batch_op:
            batch_op.alter_column("user_id", existing_type=sa.String(length=old), type_=sa.String(length=new),
                                  existing_nullable=nullable)


def upgrade() -> None:
    change(36, 64)


def downgrade() -> None:
    change(64, 36)
