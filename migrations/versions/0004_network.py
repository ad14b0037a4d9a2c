"""Networks: the first tables."""

import sqlalchemy as sa
from alembic import op

import cloudd.core.database

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('network_address_scopes',
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('ip_version', sa.Integer(), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_address_scopes'))
    )
    op.create_index(op.f('ix_network_address_scopes_project_id'), 'network_address_scopes', ['project_id'], unique=False)
    op.create_table('network_agents',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=True),
    sa.Column('admin_state_up', sa.Boolean(), nullable=False),
    sa.Column('extra', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_agents'))
    )
    op.create_table('network_networks',
    sa.Column('admin_state_up', sa.Boolean(), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('mtu', sa.Integer(), nullable=False),
    sa.Column('port_security_enabled', sa.Boolean(), nullable=False),
    sa.Column('external', sa.Boolean(), nullable=False),
    sa.Column('is_default', sa.Boolean(), nullable=False),
    sa.Column('network_type', sa.String(length=32), nullable=False),
    sa.Column('physical_network', sa.String(length=64), nullable=True),
    sa.Column('segmentation_id', sa.Integer(), nullable=True),
    sa.Column('dns_domain', sa.String(length=255), nullable=False),
    sa.Column('availability_zone_hints', cloudd.core.database.Json(), nullable=False),
    sa.Column('dhcp_served', sa.Boolean(), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.Integer(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_networks'))
    )
    op.create_index(op.f('ix_network_networks_project_id'), 'network_networks', ['project_id'], unique=False)
    op.create_table('network_rbac_policies',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('object_type', sa.String(length=32), nullable=False),
    sa.Column('object_id', sa.String(length=36), nullable=False),
    sa.Column('action', sa.String(length=32), nullable=False),
    sa.Column('target_project', sa.String(length=255), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_rbac_policies'))
    )
    op.create_index(op.f('ix_network_rbac_policies_object_id'), 'network_rbac_policies', ['object_id'], unique=False)
    op.create_index(op.f('ix_network_rbac_policies_project_id'), 'network_rbac_policies', ['project_id'], unique=False)
    op.create_index(op.f('ix_network_rbac_policies_target_project'), 'network_rbac_policies', ['target_project'], unique=False)
    op.create_table('network_security_groups',
    sa.Column('stateful', sa.Boolean(), nullable=False),
    sa.Column('is_default', sa.Boolean(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.Integer(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_security_groups'))
    )
    op.create_index(op.f('ix_network_security_groups_project_id'), 'network_security_groups', ['project_id'], unique=False)
    op.create_table('network_tags',
    sa.Column('resource_id', sa.String(length=36), nullable=False),
    sa.Column('tag', sa.String(length=255), nullable=False),
    sa.PrimaryKeyConstraint('resource_id', 'tag', name=op.f('pk_network_tags'))
    )
    op.create_index('ix_network_tags_tag', 'network_tags', ['tag'], unique=False)
    op.create_table('network_auto_topologies',
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.Column('network_id', sa.String(length=36), nullable=False),
    sa.Column('router_id', sa.String(length=36), nullable=True),
    sa.ForeignKeyConstraint(['network_id'], ['network_networks.id'], name=op.f('fk_network_auto_topologies_network_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('project_id', name=op.f('pk_network_auto_topologies'))
    )
    op.create_table('network_ports',
    sa.Column('network_id', sa.String(length=36), nullable=False),
    sa.Column('mac_address', sa.String(length=32), nullable=False),
    sa.Column('admin_state_up', sa.Boolean(), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('device_id', sa.String(length=255), nullable=False),
    sa.Column('device_owner', sa.String(length=255), nullable=False),
    sa.Column('host_id', sa.String(length=255), nullable=False),
    sa.Column('vnic_type', sa.String(length=64), nullable=False),
    sa.Column('profile', cloudd.core.database.Json(), nullable=False),
    sa.Column('port_security_enabled', sa.Boolean(), nullable=False),
    sa.Column('allowed_address_pairs', cloudd.core.database.Json(), nullable=False),
    sa.Column('extra_dhcp_opts', cloudd.core.database.Json(), nullable=False),
    sa.Column('dns_name', sa.String(length=255), nullable=False),
    sa.Column('dns_domain', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.Integer(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['network_id'], ['network_networks.id'], name=op.f('fk_network_ports_network_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_ports'))
    )
    op.create_index(op.f('ix_network_ports_device_id'), 'network_ports', ['device_id'], unique=False)
    op.create_index(op.f('ix_network_ports_network_id'), 'network_ports', ['network_id'], unique=False)
    op.create_index(op.f('ix_network_ports_project_id'), 'network_ports', ['project_id'], unique=False)
    op.create_index('uq_network_ports_mac', 'network_ports', ['network_id', 'mac_address'], unique=True)
    op.create_table('network_security_group_rules',
    sa.Column('security_group_id', sa.String(length=36), nullable=False),
    sa.Column('direction', sa.String(length=16), nullable=False),
    sa.Column('ethertype', sa.String(length=16), nullable=False),
    sa.Column('protocol', sa.String(length=40), nullable=True),
    sa.Column('port_range_min', sa.Integer(), nullable=True),
    sa.Column('port_range_max', sa.Integer(), nullable=True),
    sa.Column('remote_ip_prefix', sa.String(length=64), nullable=True),
    sa.Column('remote_group_id', sa.String(length=36), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.Integer(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['remote_group_id'], ['network_security_groups.id'], name=op.f('fk_network_security_group_rules_remote_group_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['security_group_id'], ['network_security_groups.id'], name=op.f('fk_network_security_group_rules_security_group_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_security_group_rules'))
    )
    op.create_index(op.f('ix_network_security_group_rules_project_id'), 'network_security_group_rules', ['project_id'], unique=False)
    op.create_index(op.f('ix_network_security_group_rules_remote_group_id'), 'network_security_group_rules', ['remote_group_id'], unique=False)
    op.create_index(op.f('ix_network_security_group_rules_security_group_id'), 'network_security_group_rules', ['security_group_id'], unique=False)
    op.create_table('network_subnetpools',
    sa.Column('prefixes', cloudd.core.database.Json(), nullable=False),
    sa.Column('ip_version', sa.Integer(), nullable=False),
    sa.Column('min_prefixlen', sa.Integer(), nullable=False),
    sa.Column('max_prefixlen', sa.Integer(), nullable=False),
    sa.Column('default_prefixlen', sa.Integer(), nullable=False),
    sa.Column('default_quota', sa.Integer(), nullable=True),
    sa.Column('address_scope_id', sa.String(length=36), nullable=True),
    sa.Column('is_default', sa.Boolean(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.Integer(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['address_scope_id'], ['network_address_scopes.id'], name=op.f('fk_network_subnetpools_address_scope_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_subnetpools'))
    )
    op.create_index(op.f('ix_network_subnetpools_project_id'), 'network_subnetpools', ['project_id'], unique=False)
    op.create_table('network_subnets',
    sa.Column('network_id', sa.String(length=36), nullable=False),
    sa.Column('cidr', sa.String(length=64), nullable=False),
    sa.Column('ip_version', sa.Integer(), nullable=False),
    sa.Column('gateway_ip', sa.String(length=64), nullable=True),
    sa.Column('enable_dhcp', sa.Boolean(), nullable=False),
    sa.Column('allocation_pools', cloudd.core.database.Json(), nullable=False),
    sa.Column('dns_nameservers', cloudd.core.database.Json(), nullable=False),
    sa.Column('host_routes', cloudd.core.database.Json(), nullable=False),
    sa.Column('service_types', cloudd.core.database.Json(), nullable=False),
    sa.Column('ipv6_ra_mode', sa.String(length=32), nullable=True),
    sa.Column('ipv6_address_mode', sa.String(length=32), nullable=True),
    sa.Column('subnetpool_id', sa.String(length=36), nullable=True),
    sa.Column('dns_publish_fixed_ip', sa.Boolean(), nullable=False),
    sa.Column('next_address', sa.String(length=64), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.Integer(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['network_id'], ['network_networks.id'], name=op.f('fk_network_subnets_network_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_subnets'))
    )
    op.create_index(op.f('ix_network_subnets_network_id'), 'network_subnets', ['network_id'], unique=False)
    op.create_index(op.f('ix_network_subnets_project_id'), 'network_subnets', ['project_id'], unique=False)
    op.create_index(op.f('ix_network_subnets_subnetpool_id'), 'network_subnets', ['subnetpool_id'], unique=False)
    op.create_table('network_allocations',
    sa.Column('subnet_id', sa.String(length=36), nullable=False),
    sa.Column('ip_address', sa.String(length=64), nullable=False),
    sa.Column('port_id', sa.String(length=36), nullable=False),
    sa.Column('network_id', sa.String(length=36), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['port_id'], ['network_ports.id'], name=op.f('fk_network_allocations_port_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['subnet_id'], ['network_subnets.id'], name=op.f('fk_network_allocations_subnet_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('subnet_id', 'ip_address', name=op.f('pk_network_allocations'))
    )
    op.create_index('ix_network_allocations_address', 'network_allocations', ['network_id', 'ip_address'], unique=False)
    op.create_index(op.f('ix_network_allocations_network_id'), 'network_allocations', ['network_id'], unique=False)
    op.create_index(op.f('ix_network_allocations_port_id'), 'network_allocations', ['port_id'], unique=False)
    op.create_table('network_port_groups',
    sa.Column('port_id', sa.String(length=36), nullable=False),
    sa.Column('group_id', sa.String(length=36), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['group_id'], ['network_security_groups.id'], name=op.f('fk_network_port_groups_group_id')),
    sa.ForeignKeyConstraint(['port_id'], ['network_ports.id'], name=op.f('fk_network_port_groups_port_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('port_id', 'group_id', name=op.f('pk_network_port_groups'))
    )
    op.create_index(op.f('ix_network_port_groups_group_id'), 'network_port_groups', ['group_id'], unique=False)
    op.create_table('network_routers',
    sa.Column('admin_state_up', sa.Boolean(), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('enable_snat', sa.Boolean(), nullable=False),
    sa.Column('gw_port_id', sa.String(length=36), nullable=True),
    sa.Column('routes', cloudd.core.database.Json(), nullable=False),
    sa.Column('availability_zone_hints', cloudd.core.database.Json(), nullable=False),
    sa.Column('served', sa.Boolean(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.Integer(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['gw_port_id'], ['network_ports.id'], name=op.f('fk_network_routers_gw_port_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_routers'))
    )
    op.create_index(op.f('ix_network_routers_project_id'), 'network_routers', ['project_id'], unique=False)
    op.create_table('network_floatingips',
    sa.Column('floating_network_id', sa.String(length=36), nullable=False),
    sa.Column('floating_ip_address', sa.String(length=64), nullable=False),
    sa.Column('floating_port_id', sa.String(length=36), nullable=False),
    sa.Column('fixed_ip_address', sa.String(length=64), nullable=True),
    sa.Column('port_id', sa.String(length=36), nullable=True),
    sa.Column('router_id', sa.String(length=36), nullable=True),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('dns_name', sa.String(length=255), nullable=False),
    sa.Column('dns_domain', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.Integer(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['floating_port_id'], ['network_ports.id'], name=op.f('fk_network_floatingips_floating_port_id')),
    sa.ForeignKeyConstraint(['port_id'], ['network_ports.id'], name=op.f('fk_network_floatingips_port_id')),
    sa.ForeignKeyConstraint(['router_id'], ['network_routers.id'], name=op.f('fk_network_floatingips_router_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_floatingips'))
    )
    op.create_index(op.f('ix_network_floatingips_floating_network_id'), 'network_floatingips', ['floating_network_id'], unique=False)
    op.create_index(op.f('ix_network_floatingips_port_id'), 'network_floatingips', ['port_id'], unique=False)
    op.create_index(op.f('ix_network_floatingips_project_id'), 'network_floatingips', ['project_id'], unique=False)
    op.create_index(op.f('ix_network_floatingips_router_id'), 'network_floatingips', ['router_id'], unique=False)
    op.create_index('uq_network_floatingips_address', 'network_floatingips', ['floating_network_id', 'floating_ip_address'], unique=True)


def downgrade() -> None:
    op.drop_index('uq_network_floatingips_address', table_name='network_floatingips')
    op.drop_index(op.f('ix_network_floatingips_router_id'), table_name='network_floatingips')
    op.drop_index(op.f('ix_network_floatingips_project_id'), table_name='network_floatingips')
    op.drop_index(op.f('ix_network_floatingips_port_id'), table_name='network_floatingips')
    op.drop_index(op.f('ix_network_floatingips_floating_network_id'), table_name='network_floatingips')
    op.drop_table('network_floatingips')
    op.drop_index(op.f('ix_network_routers_project_id'), table_name='network_routers')
    op.drop_table('network_routers')
    op.drop_index(op.f('ix_network_port_groups_group_id'), table_name='network_port_groups')
    op.drop_table('network_port_groups')
    op.drop_index(op.f('ix_network_allocations_port_id'), table_name='network_allocations')
    op.drop_index(op.f('ix_network_allocations_network_id'), table_name='network_allocations')
    op.drop_index('ix_network_allocations_address', table_name='network_allocations')
    op.drop_table('network_allocations')
    op.drop_index(op.f('ix_network_subnets_subnetpool_id'), table_name='network_subnets')
    op.drop_index(op.f('ix_network_subnets_project_id'), table_name='network_subnets')
    op.drop_index(op.f('ix_network_subnets_network_id'), table_name='network_subnets')
    op.drop_table('network_subnets')
    op.drop_index(op.f('ix_network_subnetpools_project_id'), table_name='network_subnetpools')
    op.drop_table('network_subnetpools')
    op.drop_index(op.f('ix_network_security_group_rules_security_group_id'), table_name='network_security_group_rules')
    op.drop_index(op.f('ix_network_security_group_rules_remote_group_id'), table_name='network_security_group_rules')
    op.drop_index(op.f('ix_network_security_group_rules_project_id'), table_name='network_security_group_rules')
    op.drop_table('network_security_group_rules')
    op.drop_index('uq_network_ports_mac', table_name='network_ports')
    op.drop_index(op.f('ix_network_ports_project_id'), table_name='network_ports')
    op.drop_index(op.f('ix_network_ports_network_id'), table_name='network_ports')
    op.drop_index(op.f('ix_network_ports_device_id'), table_name='network_ports')
    op.drop_table('network_ports')
    op.drop_table('network_auto_topologies')
    op.drop_index('ix_network_tags_tag', table_name='network_tags')
    op.drop_table('network_tags')
    op.drop_index(op.f('ix_network_security_groups_project_id'), table_name='network_security_groups')
    op.drop_table('network_security_groups')
    op.drop_index(op.f('ix_network_rbac_policies_target_project'), table_name='network_rbac_policies')
    op.drop_index(op.f('ix_network_rbac_policies_project_id'), table_name='network_rbac_policies')
    op.drop_index(op.f('ix_network_rbac_policies_object_id'), table_name='network_rbac_policies')
    op.drop_table('network_rbac_policies')
    op.drop_index(op.f('ix_network_networks_project_id'), table_name='network_networks')
    op.drop_table('network_networks')
    op.drop_table('network_agents')
    op.drop_index(op.f('ix_network_address_scopes_project_id'), table_name='network_address_scopes')
    op.drop_table('network_address_scopes')
