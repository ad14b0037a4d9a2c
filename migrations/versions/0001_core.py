"""Jobs, events, quotas: the first tables."""

import sqlalchemy as sa
from alembic import op

import cloudd.core.database

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('core_event_cursors',
    sa.Column('subscriber', sa.String(length=64), nullable=False),
    sa.Column('serial', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.PrimaryKeyConstraint('subscriber', name=op.f('pk_core_event_cursors'))
    )
    op.create_table('core_events',
    sa.Column('serial', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('resource_id', sa.String(length=64), nullable=True),
    sa.Column('project_id', sa.String(length=36), nullable=True),
    sa.Column('user_id', sa.String(length=36), nullable=True),
    sa.Column('request_id', sa.String(length=64), nullable=True),
    sa.Column('address', sa.String(length=64), nullable=True),
    sa.Column('payload', cloudd.core.database.Json(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('serial', name=op.f('pk_core_events'))
    )
    op.create_index(op.f('ix_core_events_created_at'), 'core_events', ['created_at'], unique=False)
    op.create_table('core_jobs',
    sa.Column('serial', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('locks', cloudd.core.database.Json(), nullable=False),
    sa.Column('resource_id', sa.String(length=64), nullable=True),
    sa.Column('project_id', sa.String(length=36), nullable=True),
    sa.Column('user_id', sa.String(length=36), nullable=True),
    sa.Column('request_id', sa.String(length=64), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('step', sa.Integer(), nullable=False),
    sa.Column('percent', sa.Integer(), nullable=False),
    sa.Column('input', cloudd.core.database.Json(), nullable=False),
    sa.Column('memory', cloudd.core.database.Json(), nullable=False),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('cancel', sa.Boolean(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('started_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.Column('finished_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('serial', name=op.f('pk_core_jobs')),
    sa.UniqueConstraint('id', name=op.f('uq_core_jobs_id'))
    )
    op.create_index('ix_core_jobs_open', 'core_jobs', ['state', 'serial'], unique=False)
    op.create_index(op.f('ix_core_jobs_resource_id'), 'core_jobs', ['resource_id'], unique=False)
    op.create_table('core_quotas',
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('service', sa.String(length=32), nullable=False),
    sa.Column('resource', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.String(length=36), nullable=False),
    sa.Column('hard_limit', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('project_id', 'service', 'resource', 'user_id', name=op.f('pk_core_quotas'))
    )


def downgrade() -> None:
    op.drop_table('core_quotas')
    op.drop_index(op.f('ix_core_jobs_resource_id'), table_name='core_jobs')
    op.drop_index('ix_core_jobs_open', table_name='core_jobs')
    op.drop_table('core_jobs')
    op.drop_index(op.f('ix_core_events_created_at'), table_name='core_events')
    op.drop_table('core_events')
    op.drop_table('core_event_cursors')
