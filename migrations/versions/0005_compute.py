"""Servers: the first tables."""

import sqlalchemy as sa
from alembic import op

import cloudd.core.database

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('compute_aggregates',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_aggregates')),
    sa.UniqueConstraint('name', name=op.f('uq_compute_aggregates_name')),
    sa.UniqueConstraint('uuid', name=op.f('uq_compute_aggregates_uuid'))
    )
    op.create_table('compute_block_devices',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('server_id', sa.String(length=36), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('source_type', sa.String(length=16), nullable=False),
    sa.Column('destination_type', sa.String(length=16), nullable=False),
    sa.Column('device_type', sa.String(length=16), nullable=False),
    sa.Column('disk_bus', sa.String(length=16), nullable=True),
    sa.Column('device_name', sa.String(length=64), nullable=True),
    sa.Column('boot_index', sa.Integer(), nullable=True),
    sa.Column('guest_format', sa.String(length=16), nullable=True),
    sa.Column('image_id', sa.String(length=36), nullable=True),
    sa.Column('snapshot_id', sa.String(length=36), nullable=True),
    sa.Column('volume_id', sa.String(length=36), nullable=True),
    sa.Column('volume_size', sa.Integer(), nullable=True),
    sa.Column('volume_type', sa.String(length=255), nullable=True),
    sa.Column('attachment_id', sa.String(length=36), nullable=True),
    sa.Column('delete_on_termination', sa.Boolean(), nullable=False),
    sa.Column('tag', sa.String(length=60), nullable=True),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_block_devices'))
    )
    op.create_index(op.f('ix_compute_block_devices_server_id'), 'compute_block_devices', ['server_id'], unique=False)
    op.create_index(op.f('ix_compute_block_devices_volume_id'), 'compute_block_devices', ['volume_id'], unique=False)
    op.create_table('compute_console_tickets',
    sa.Column('token_hash', sa.String(length=64), nullable=False),
    sa.Column('server_id', sa.String(length=36), nullable=False),
    sa.Column('console_type', sa.String(length=32), nullable=False),
    sa.Column('port', sa.Integer(), nullable=True),
    sa.Column('user_id', sa.String(length=36), nullable=True),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('expires_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('used_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_compute_console_tickets'))
    )
    op.create_index(op.f('ix_compute_console_tickets_expires_at'), 'compute_console_tickets', ['expires_at'], unique=False)
    op.create_index(op.f('ix_compute_console_tickets_server_id'), 'compute_console_tickets', ['server_id'], unique=False)
    op.create_table('compute_flavors',
    sa.Column('id', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('vcpus', sa.Integer(), nullable=False),
    sa.Column('ram', sa.Integer(), nullable=False),
    sa.Column('disk', sa.Integer(), nullable=False),
    sa.Column('ephemeral', sa.Integer(), nullable=False),
    sa.Column('swap', sa.Integer(), nullable=False),
    sa.Column('rxtx_factor', sa.Float(), nullable=False),
    sa.Column('is_public', sa.Boolean(), nullable=False),
    sa.Column('disabled', sa.Boolean(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_flavors')),
    sa.UniqueConstraint('name', name=op.f('uq_compute_flavors_name'))
    )
    op.create_table('compute_keypairs',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('user_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('type', sa.String(length=8), nullable=False),
    sa.Column('fingerprint', sa.String(length=255), nullable=False),
    sa.Column('public_key', sa.Text(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_keypairs')),
    sa.UniqueConstraint('user_id', 'name', name=op.f('uq_compute_keypairs_user_id_name'))
    )
    op.create_table('compute_nodes',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.Column('hypervisor_hostname', sa.String(length=255), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_nodes')),
    sa.UniqueConstraint('host', name=op.f('uq_compute_nodes_host')),
    sa.UniqueConstraint('uuid', name=op.f('uq_compute_nodes_uuid'))
    )
    op.create_table('compute_server_actions',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('server_id', sa.String(length=36), nullable=False),
    sa.Column('action', sa.String(length=64), nullable=False),
    sa.Column('request_id', sa.String(length=64), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=True),
    sa.Column('user_id', sa.String(length=36), nullable=True),
    sa.Column('message', sa.String(length=255), nullable=True),
    sa.Column('started_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_server_actions'))
    )
    op.create_index('ix_compute_server_actions_request', 'compute_server_actions', ['server_id', 'request_id'], unique=False)
    op.create_table('compute_server_faults',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('server_id', sa.String(length=36), nullable=False),
    sa.Column('code', sa.Integer(), nullable=False),
    sa.Column('message', sa.String(length=255), nullable=False),
    sa.Column('details', sa.Text(), nullable=True),
    sa.Column('host', sa.String(length=255), nullable=True),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_server_faults'))
    )
    op.create_index(op.f('ix_compute_server_faults_server_id'), 'compute_server_faults', ['server_id'], unique=False)
    op.create_table('compute_server_groups',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('user_id', sa.String(length=36), nullable=False),
    sa.Column('policy', sa.String(length=32), nullable=False),
    sa.Column('rules', cloudd.core.database.Json(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_server_groups'))
    )
    op.create_index(op.f('ix_compute_server_groups_project_id'), 'compute_server_groups', ['project_id'], unique=False)
    op.create_table('compute_server_metadata',
    sa.Column('server_id', sa.String(length=36), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('value', sa.String(length=255), nullable=False),
    sa.PrimaryKeyConstraint('server_id', 'key', name=op.f('pk_compute_server_metadata'))
    )
    op.create_table('compute_server_ports',
    sa.Column('port_id', sa.String(length=36), nullable=False),
    sa.Column('server_id', sa.String(length=36), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('tag', sa.String(length=60), nullable=True),
    sa.Column('ours', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('port_id', name=op.f('pk_compute_server_ports'))
    )
    op.create_index(op.f('ix_compute_server_ports_server_id'), 'compute_server_ports', ['server_id'], unique=False)
    op.create_table('compute_server_tags',
    sa.Column('server_id', sa.String(length=36), nullable=False),
    sa.Column('tag', sa.String(length=80), nullable=False),
    sa.PrimaryKeyConstraint('server_id', 'tag', name=op.f('pk_compute_server_tags'))
    )
    op.create_index('ix_compute_server_tags_tag', 'compute_server_tags', ['tag'], unique=False)
    op.create_table('compute_servers',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('user_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=True),
    sa.Column('hostname', sa.String(length=255), nullable=False),
    sa.Column('vm_state', sa.String(length=32), nullable=False),
    sa.Column('task_state', sa.String(length=64), nullable=True),
    sa.Column('power_state', sa.Integer(), nullable=False),
    sa.Column('progress', sa.Integer(), nullable=False),
    sa.Column('image_id', sa.String(length=36), nullable=True),
    sa.Column('image', cloudd.core.database.Json(), nullable=False),
    sa.Column('kernel_id', sa.String(length=36), nullable=True),
    sa.Column('ramdisk_id', sa.String(length=36), nullable=True),
    sa.Column('flavor_id', sa.String(length=255), nullable=False),
    sa.Column('flavor', cloudd.core.database.Json(), nullable=False),
    sa.Column('old_flavor', cloudd.core.database.Json(), nullable=True),
    sa.Column('vcpus', sa.Integer(), nullable=False),
    sa.Column('memory_mb', sa.Integer(), nullable=False),
    sa.Column('root_gb', sa.Integer(), nullable=False),
    sa.Column('ephemeral_gb', sa.Integer(), nullable=False),
    sa.Column('swap_mb', sa.Integer(), nullable=False),
    sa.Column('key_name', sa.String(length=255), nullable=True),
    sa.Column('key_data', sa.Text(), nullable=True),
    sa.Column('key_type', sa.String(length=8), nullable=True),
    sa.Column('user_data', sa.Text(), nullable=True),
    sa.Column('injected_files', cloudd.core.database.Json(), nullable=True),
    sa.Column('admin_pass', sa.Text(), nullable=True),
    sa.Column('posted_password', sa.Text(), nullable=True),
    sa.Column('random_seed', sa.Text(), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=True),
    sa.Column('node', sa.String(length=255), nullable=True),
    sa.Column('launched_on', sa.String(length=255), nullable=True),
    sa.Column('availability_zone', sa.String(length=255), nullable=True),
    sa.Column('pinned_zone', sa.String(length=255), nullable=True),
    sa.Column('access_ip_v4', sa.String(length=39), nullable=True),
    sa.Column('access_ip_v6', sa.String(length=39), nullable=True),
    sa.Column('config_drive', sa.Boolean(), nullable=False),
    sa.Column('disk_config', sa.String(length=8), nullable=False),
    sa.Column('root_device_name', sa.String(length=64), nullable=True),
    sa.Column('reservation_id', sa.String(length=64), nullable=False),
    sa.Column('launch_index', sa.Integer(), nullable=False),
    sa.Column('locked_by', sa.String(length=8), nullable=True),
    sa.Column('locked_reason', sa.String(length=255), nullable=True),
    sa.Column('trusted_certs', cloudd.core.database.Json(), nullable=True),
    sa.Column('scheduler_hints', cloudd.core.database.Json(), nullable=False),
    sa.Column('system_metadata', cloudd.core.database.Json(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('launched_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.Column('terminated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.Column('deleted_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_servers')),
    sa.UniqueConstraint('number', name=op.f('uq_compute_servers_number'))
    )
    op.create_index('ix_compute_servers_created', 'compute_servers', ['deleted_at', 'created_at'], unique=False)
    op.create_index(op.f('ix_compute_servers_flavor_id'), 'compute_servers', ['flavor_id'], unique=False)
    op.create_index('ix_compute_servers_project', 'compute_servers', ['project_id', 'deleted_at', 'created_at'], unique=False)
    op.create_index('ix_compute_servers_reservation', 'compute_servers', ['reservation_id'], unique=False)
    op.create_index('ix_compute_servers_updated', 'compute_servers', ['updated_at'], unique=False)
    op.create_table('compute_services',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.Column('binary', sa.String(length=64), nullable=False),
    sa.Column('disabled', sa.Boolean(), nullable=False),
    sa.Column('disabled_reason', sa.String(length=255), nullable=True),
    sa.Column('forced_down', sa.Boolean(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_services')),
    sa.UniqueConstraint('uuid', name=op.f('uq_compute_services_uuid'))
    )
    op.create_table('compute_aggregate_hosts',
    sa.Column('aggregate_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['aggregate_id'], ['compute_aggregates.id'], name=op.f('fk_compute_aggregate_hosts_aggregate_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('aggregate_id', 'host', name=op.f('pk_compute_aggregate_hosts'))
    )
    op.create_table('compute_aggregate_metadata',
    sa.Column('aggregate_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('value', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['aggregate_id'], ['compute_aggregates.id'], name=op.f('fk_compute_aggregate_metadata_aggregate_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('aggregate_id', 'key', name=op.f('pk_compute_aggregate_metadata'))
    )
    op.create_table('compute_flavor_access',
    sa.Column('flavor_id', sa.String(length=255), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['flavor_id'], ['compute_flavors.id'], name=op.f('fk_compute_flavor_access_flavor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('flavor_id', 'project_id', name=op.f('pk_compute_flavor_access'))
    )
    op.create_index(op.f('ix_compute_flavor_access_project_id'), 'compute_flavor_access', ['project_id'], unique=False)
    op.create_table('compute_flavor_extra_specs',
    sa.Column('flavor_id', sa.String(length=255), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('value', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['flavor_id'], ['compute_flavors.id'], name=op.f('fk_compute_flavor_extra_specs_flavor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('flavor_id', 'key', name=op.f('pk_compute_flavor_extra_specs'))
    )
    op.create_table('compute_server_action_events',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('action_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('event', sa.String(length=64), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=True),
    sa.Column('result', sa.String(length=16), nullable=True),
    sa.Column('details', sa.Text(), nullable=True),
    sa.Column('traceback', sa.Text(), nullable=True),
    sa.Column('started_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('finished_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['action_id'], ['compute_server_actions.id'], name=op.f('fk_compute_server_action_events_action_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_server_action_events'))
    )
    op.create_index(op.f('ix_compute_server_action_events_action_id'), 'compute_server_action_events', ['action_id'], unique=False)
    op.create_table('compute_server_group_members',
    sa.Column('group_id', sa.String(length=36), nullable=False),
    sa.Column('server_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['group_id'], ['compute_server_groups.id'], name=op.f('fk_compute_server_group_members_group_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('group_id', 'server_id', name=op.f('pk_compute_server_group_members'))
    )
    op.create_index(op.f('ix_compute_server_group_members_server_id'), 'compute_server_group_members', ['server_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_compute_server_group_members_server_id'), table_name='compute_server_group_members')
    op.drop_table('compute_server_group_members')
    op.drop_index(op.f('ix_compute_server_action_events_action_id'), table_name='compute_server_action_events')
    op.drop_table('compute_server_action_events')
    op.drop_table('compute_flavor_extra_specs')
    op.drop_index(op.f('ix_compute_flavor_access_project_id'), table_name='compute_flavor_access')
    op.drop_table('compute_flavor_access')
    op.drop_table('compute_aggregate_metadata')
    op.drop_table('compute_aggregate_hosts')
    op.drop_table('compute_services')
    op.drop_index('ix_compute_servers_updated', table_name='compute_servers')
    op.drop_index('ix_compute_servers_reservation', table_name='compute_servers')
    op.drop_index('ix_compute_servers_project', table_name='compute_servers')
    op.drop_index(op.f('ix_compute_servers_flavor_id'), table_name='compute_servers')
    op.drop_index('ix_compute_servers_created', table_name='compute_servers')
    op.drop_table('compute_servers')
    op.drop_index('ix_compute_server_tags_tag', table_name='compute_server_tags')
    op.drop_table('compute_server_tags')
    op.drop_index(op.f('ix_compute_server_ports_server_id'), table_name='compute_server_ports')
    op.drop_table('compute_server_ports')
    op.drop_table('compute_server_metadata')
    op.drop_index(op.f('ix_compute_server_groups_project_id'), table_name='compute_server_groups')
    op.drop_table('compute_server_groups')
    op.drop_index(op.f('ix_compute_server_faults_server_id'), table_name='compute_server_faults')
    op.drop_table('compute_server_faults')
    op.drop_index('ix_compute_server_actions_request', table_name='compute_server_actions')
    op.drop_table('compute_server_actions')
    op.drop_table('compute_nodes')
    op.drop_table('compute_keypairs')
    op.drop_table('compute_flavors')
    op.drop_index(op.f('ix_compute_console_tickets_server_id'), table_name='compute_console_tickets')
    op.drop_index(op.f('ix_compute_console_tickets_expires_at'), table_name='compute_console_tickets')
    op.drop_table('compute_console_tickets')
    op.drop_index(op.f('ix_compute_block_devices_volume_id'), table_name='compute_block_devices')
    op.drop_index(op.f('ix_compute_block_devices_server_id'), table_name='compute_block_devices')
    op.drop_table('compute_block_devices')
    op.drop_table('compute_aggregates')
