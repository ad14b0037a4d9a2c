"""records of resizes"""

import sqlalchemy as sa
from alembic import op

import cloudd.core.database
import cloudd.core.tables

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('compute_migrations',
    sa.Column('id', cloudd.core.tables.Serial, autoincrement=True, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('server_id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('migration_type', sa.String(length=16), nullable=False),
    sa.Column('status', sa.String(length=32), nullable=False),
    sa.Column('source_host', sa.String(length=255), nullable=True),
    sa.Column('source_node', sa.String(length=255), nullable=True),
    sa.Column('dest_host', sa.String(length=255), nullable=True),
    sa.Column('dest_node', sa.String(length=255), nullable=True),
    sa.Column('dest_address', sa.String(length=64), nullable=True),
    sa.Column('old_flavor_id', sa.String(length=255), nullable=False),
    sa.Column('new_flavor_id', sa.String(length=255), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_migrations')),
    sa.UniqueConstraint('uuid', name=op.f('uq_compute_migrations_uuid'))
    )
    op.create_index('ix_compute_migrations_created', 'compute_migrations', ['created_at'], unique=False)
    op.create_index('ix_compute_migrations_server', 'compute_migrations', ['server_id'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_compute_migrations_server', table_name='compute_migrations')
    op.drop_index('ix_compute_migrations_created', table_name='compute_migrations')
    op.drop_table('compute_migrations')
