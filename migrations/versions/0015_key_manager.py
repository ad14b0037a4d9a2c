"""key manager"""

import sqlalchemy as sa
from alembic import op

import cloudd.core.database

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('keymanager_master_key',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('fingerprint', sa.String(length=32), nullable=False),
    sa.Column('changed_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_keymanager_master_key'))
    )
    op.create_table('keymanager_project_keys',
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('wrapped', sa.LargeBinary(), nullable=False),
    sa.Column('master', sa.String(length=32), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('project_id', name=op.f('pk_keymanager_project_keys'))
    )
    op.create_table('keymanager_secrets',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('creator_id', sa.String(length=64), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=True),
    sa.Column('secret_type', sa.String(length=80), nullable=False),
    sa.Column('algorithm', sa.String(length=255), nullable=True),
    sa.Column('bit_length', sa.Integer(), nullable=True),
    sa.Column('mode', sa.String(length=255), nullable=True),
    sa.Column('content_type', sa.String(length=64), nullable=True),
    sa.Column('expiration', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_keymanager_secrets'))
    )
    with op.batch_alter_table('keymanager_secrets', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_keymanager_secrets_expiration'), ['expiration'], unique=False)
        batch_op.create_index(batch_op.f('ix_keymanager_secrets_project_id'), ['project_id'], unique=False)

    op.create_table('keymanager_consumers',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('secret_id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('service', sa.String(length=255), nullable=False),
    sa.Column('resource_type', sa.String(length=255), nullable=False),
    sa.Column('resource_id', sa.String(length=255), nullable=False),
    sa.Column('held', sa.Boolean(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['secret_id'], ['keymanager_secrets.id'], name=op.f('fk_keymanager_consumers_secret_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_keymanager_consumers')),
    sa.UniqueConstraint('secret_id', 'service', 'resource_type', 'resource_id', name='uq_keymanager_consumers')
    )
    with op.batch_alter_table('keymanager_consumers', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_keymanager_consumers_project_id'), ['project_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_keymanager_consumers_resource_id'), ['resource_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_keymanager_consumers_secret_id'), ['secret_id'], unique=False)

    op.create_table('keymanager_metadata',
    sa.Column('secret_id', sa.String(length=36), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('value', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['secret_id'], ['keymanager_secrets.id'], name=op.f('fk_keymanager_metadata_secret_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('secret_id', 'key', name=op.f('pk_keymanager_metadata'))
    )
    op.create_table('keymanager_payloads',
    sa.Column('secret_id', sa.String(length=36), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['secret_id'], ['keymanager_secrets.id'], name=op.f('fk_keymanager_payloads_secret_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('secret_id', name=op.f('pk_keymanager_payloads'))
    )


def downgrade() -> None:
    op.drop_table('keymanager_payloads')
    op.drop_table('keymanager_metadata')
    with op.batch_alter_table('keymanager_consumers', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_keymanager_consumers_secret_id'))
        batch_op.drop_index(batch_op.f('ix_keymanager_consumers_resource_id'))
        batch_op.drop_index(batch_op.f('ix_keymanager_consumers_project_id'))

    op.drop_table('keymanager_consumers')
    with op.batch_alter_table('keymanager_secrets', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_keymanager_secrets_project_id'))
        batch_op.drop_index(batch_op.f('ix_keymanager_secrets_expiration'))

    op.drop_table('keymanager_secrets')
    op.drop_table('keymanager_project_keys')
    op.drop_table('keymanager_master_key')
