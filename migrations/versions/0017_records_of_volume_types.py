"""records of volume types, services"""

import sqlalchemy as sa
from alembic import op

import cloudd.core.database

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('block_group_types',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=True),
    sa.Column('is_public', sa.Boolean(), nullable=False),
    sa.Column('group_specs', cloudd.core.database.Json(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_block_group_types')),
    sa.UniqueConstraint('name', name=op.f('uq_block_group_types_name'))
    )
    op.create_table('block_qos_specs',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('consumer', sa.String(length=16), nullable=False),
    sa.Column('specs', cloudd.core.database.Json(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_block_qos_specs')),
    sa.UniqueConstraint('name', name=op.f('uq_block_qos_specs_name'))
    )
    op.create_table('block_services',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.Column('binary', sa.String(length=64), nullable=False),
    sa.Column('zone', sa.String(length=255), nullable=False),
    sa.Column('disabled', sa.Boolean(), nullable=False),
    sa.Column('disabled_reason', sa.String(length=255), nullable=True),
    sa.Column('frozen', sa.Boolean(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_block_services')),
    sa.UniqueConstraint('host', 'binary', name=op.f('uq_block_services_host_binary'))
    )
    op.create_table('block_project_default_types',
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('volume_type_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['volume_type_id'], ['block_volume_types.id'], name=op.f('fk_block_project_default_types_volume_type_id')),
    sa.PrimaryKeyConstraint('project_id', name=op.f('pk_block_project_default_types'))
    )
    with op.batch_alter_table('block_project_default_types', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_block_project_default_types_volume_type_id'), ['volume_type_id'], unique=False)

    op.create_table('block_type_access',
    sa.Column('volume_type_id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['volume_type_id'], ['block_volume_types.id'], name=op.f('fk_block_type_access_volume_type_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('volume_type_id', 'project_id', name=op.f('pk_block_type_access'))
    )
    with op.batch_alter_table('block_type_access', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_block_type_access_project_id'), ['project_id'], unique=False)

    op.create_table('block_type_encryptions',
    sa.Column('volume_type_id', sa.String(length=36), nullable=False),
    sa.Column('encryption_id', sa.String(length=36), nullable=False),
    sa.Column('provider', sa.String(length=255), nullable=False),
    sa.Column('cipher', sa.String(length=255), nullable=True),
    sa.Column('key_size', sa.Integer(), nullable=True),
    sa.Column('control_location', sa.String(length=16), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['volume_type_id'], ['block_volume_types.id'], name=op.f('fk_block_type_encryptions_volume_type_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('volume_type_id', name=op.f('pk_block_type_encryptions')),
    sa.UniqueConstraint('encryption_id', name=op.f('uq_block_type_encryptions_encryption_id'))
    )


def downgrade() -> None:
    op.drop_table('block_type_encryptions')
    with op.batch_alter_table('block_type_access', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_block_type_access_project_id'))

    op.drop_table('block_type_access')
    with op.batch_alter_table('block_project_default_types', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_block_project_default_types_volume_type_id'))

    op.drop_table('block_project_default_types')
    op.drop_table('block_services')
    op.drop_table('block_qos_specs')
    op.drop_table('block_group_types')
