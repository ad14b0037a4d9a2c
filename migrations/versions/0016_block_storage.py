"""block storage"""

import sqlalchemy as sa
from alembic import op

import cloudd.core.database

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('block_attachments',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('volume_id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('instance_id', sa.String(length=36), nullable=True),
    sa.Column('attached_host', sa.String(length=255), nullable=True),
    sa.Column('mountpoint', sa.String(length=255), nullable=True),
    sa.Column('attach_mode', sa.String(length=4), nullable=True),
    sa.Column('attach_status', sa.String(length=32), nullable=False),
    sa.Column('held', sa.Boolean(), nullable=False),
    sa.Column('connector', cloudd.core.database.Json(), nullable=True),
    sa.Column('attached_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_block_attachments'))
    )
    with op.batch_alter_table('block_attachments', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_block_attachments_instance_id'), ['instance_id'], unique=False)
        batch_op.create_index('ix_block_attachments_project', ['project_id', 'created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_block_attachments_volume_id'), ['volume_id'], unique=False)

    op.create_table('block_messages',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('request_id', sa.String(length=64), nullable=False),
    sa.Column('resource_type', sa.String(length=32), nullable=True),
    sa.Column('resource_id', sa.String(length=36), nullable=True),
    sa.Column('action', sa.String(length=8), nullable=False),
    sa.Column('detail', sa.String(length=8), nullable=False),
    sa.Column('cause', sa.Text(), nullable=False),
    sa.Column('level', sa.String(length=8), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('expires_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_block_messages'))
    )
    with op.batch_alter_table('block_messages', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_block_messages_expires_at'), ['expires_at'], unique=False)
        batch_op.create_index('ix_block_messages_project', ['project_id', 'created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_block_messages_resource_id'), ['resource_id'], unique=False)

    op.create_table('block_snapshot_metadata',
    sa.Column('snapshot_id', sa.String(length=36), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('value', sa.String(length=255), nullable=False),
    sa.PrimaryKeyConstraint('snapshot_id', 'key', name=op.f('pk_block_snapshot_metadata'))
    )
    with op.batch_alter_table('block_snapshot_metadata', schema=None) as batch_op:
        batch_op.create_index('ix_block_snapshot_metadata_key', ['key', 'value'], unique=False)

    op.create_table('block_snapshots',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('volume_id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=True),
    sa.Column('description', sa.String(length=255), nullable=True),
    sa.Column('status', sa.String(length=32), nullable=False),
    sa.Column('progress', sa.String(length=8), nullable=True),
    sa.Column('volume_size', sa.Integer(), nullable=False),
    sa.Column('volume_type_id', sa.String(length=36), nullable=False),
    sa.Column('counted', sa.Boolean(), nullable=False),
    sa.Column('group_snapshot_id', sa.String(length=36), nullable=True),
    sa.Column('encryption_key_id', sa.String(length=36), nullable=True),
    sa.Column('fault', sa.Text(), nullable=True),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_block_snapshots'))
    )
    with op.batch_alter_table('block_snapshots', schema=None) as batch_op:
        batch_op.create_index('ix_block_snapshots_created', ['created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_block_snapshots_group_snapshot_id'), ['group_snapshot_id'], unique=False)
        batch_op.create_index('ix_block_snapshots_project', ['project_id', 'created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_block_snapshots_volume_id'), ['volume_id'], unique=False)

    op.create_table('block_transfers',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('volume_id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=True),
    sa.Column('salt', sa.String(length=32), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('no_snapshots', sa.Boolean(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_block_transfers'))
    )
    with op.batch_alter_table('block_transfers', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_block_transfers_project_id'), ['project_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_block_transfers_volume_id'), ['volume_id'], unique=False)

    op.create_table('block_type_extra_specs',
    sa.Column('volume_type_id', sa.String(length=36), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('value', sa.String(length=255), nullable=False),
    sa.PrimaryKeyConstraint('volume_type_id', 'key', name=op.f('pk_block_type_extra_specs'))
    )
    op.create_table('block_volume_image_metadata',
    sa.Column('volume_id', sa.String(length=36), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('volume_id', 'key', name=op.f('pk_block_volume_image_metadata'))
    )
    op.create_table('block_volume_metadata',
    sa.Column('volume_id', sa.String(length=36), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('value', sa.String(length=255), nullable=False),
    sa.PrimaryKeyConstraint('volume_id', 'key', name=op.f('pk_block_volume_metadata'))
    )
    with op.batch_alter_table('block_volume_metadata', schema=None) as batch_op:
        batch_op.create_index('ix_block_volume_metadata_key', ['key', 'value'], unique=False)

    op.create_table('block_volume_types',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=True),
    sa.Column('is_public', sa.Boolean(), nullable=False),
    sa.Column('qos_specs_id', sa.String(length=36), nullable=True),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_block_volume_types')),
    sa.UniqueConstraint('name', name=op.f('uq_block_volume_types_name'))
    )
    op.create_table('block_volumes',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=True),
    sa.Column('description', sa.String(length=255), nullable=True),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('wanted_size', sa.Integer(), nullable=True),
    sa.Column('status', sa.String(length=32), nullable=False),
    sa.Column('previous_status', sa.String(length=32), nullable=True),
    sa.Column('attach_status', sa.String(length=32), nullable=False),
    sa.Column('migration_status', sa.String(length=32), nullable=True),
    sa.Column('replication_status', sa.String(length=32), nullable=True),
    sa.Column('bootable', sa.Boolean(), nullable=False),
    sa.Column('multiattach', sa.Boolean(), nullable=False),
    sa.Column('readonly', sa.Boolean(), nullable=True),
    sa.Column('attached_mode', sa.String(length=4), nullable=True),
    sa.Column('counted', sa.Boolean(), nullable=False),
    sa.Column('volume_type_id', sa.String(length=36), nullable=False),
    sa.Column('availability_zone', sa.String(length=255), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=True),
    sa.Column('snapshot_id', sa.String(length=36), nullable=True),
    sa.Column('source_volid', sa.String(length=36), nullable=True),
    sa.Column('group_id', sa.String(length=36), nullable=True),
    sa.Column('encryption_key_id', sa.String(length=36), nullable=True),
    sa.Column('fault', sa.Text(), nullable=True),
    sa.Column('lost', sa.Boolean(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.Column('launched_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_block_volumes'))
    )
    with op.batch_alter_table('block_volumes', schema=None) as batch_op:
        batch_op.create_index('ix_block_volumes_created', ['created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_block_volumes_group_id'), ['group_id'], unique=False)
        batch_op.create_index('ix_block_volumes_project', ['project_id', 'created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_block_volumes_volume_type_id'), ['volume_type_id'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('block_volumes', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_block_volumes_volume_type_id'))
        batch_op.drop_index('ix_block_volumes_project')
        batch_op.drop_index(batch_op.f('ix_block_volumes_group_id'))
        batch_op.drop_index('ix_block_volumes_created')

    op.drop_table('block_volumes')
    op.drop_table('block_volume_types')
    with op.batch_alter_table('block_volume_metadata', schema=None) as batch_op:
        batch_op.drop_index('ix_block_volume_metadata_key')

    op.drop_table('block_volume_metadata')
    op.drop_table('block_volume_image_metadata')
    op.drop_table('block_type_extra_specs')
    with op.batch_alter_table('block_transfers', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_block_transfers_volume_id'))
        batch_op.drop_index(batch_op.f('ix_block_transfers_project_id'))

    op.drop_table('block_transfers')
    with op.batch_alter_table('block_snapshots', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_block_snapshots_volume_id'))
        batch_op.drop_index('ix_block_snapshots_project')
        batch_op.drop_index(batch_op.f('ix_block_snapshots_group_snapshot_id'))
        batch_op.drop_index('ix_block_snapshots_created')

    op.drop_table('block_snapshots')
    with op.batch_alter_table('block_snapshot_metadata', schema=None) as batch_op:
        batch_op.drop_index('ix_block_snapshot_metadata_key')

    op.drop_table('block_snapshot_metadata')
    with op.batch_alter_table('block_messages', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_block_messages_resource_id'))
        batch_op.drop_index('ix_block_messages_project')
        batch_op.drop_index(batch_op.f('ix_block_messages_expires_at'))

    op.drop_table('block_messages')
    with op.batch_alter_table('block_attachments', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_block_attachments_volume_id'))
        batch_op.drop_index('ix_block_attachments_project')
        batch_op.drop_index(batch_op.f('ix_block_attachments_instance_id'))

    op.drop_table('block_attachments')
