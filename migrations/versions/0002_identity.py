"""Identity: the first tables."""

import sqlalchemy as sa
from alembic import op

import cloudd.core.database

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('identity_access_rules',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('service', sa.String(length=64), nullable=False),
    sa.Column('path', sa.String(length=128), nullable=False),
    sa.Column('method', sa.String(length=16), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_access_rules')),
    sa.UniqueConstraint('user_id', 'service', 'path', 'method', name=op.f('uq_identity_access_rules_user_id_service_path_method'))
    )
    op.create_table('identity_application_credentials',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('secret_hash', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('role_ids', cloudd.core.database.Json(), nullable=False),
    sa.Column('access_rules', cloudd.core.database.Json(), nullable=True),
    sa.Column('unrestricted', sa.Boolean(), nullable=False),
    sa.Column('expires_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_application_credentials')),
    sa.UniqueConstraint('user_id', 'name', name=op.f('uq_identity_application_credentials_user_id_name'))
    )
    op.create_index(op.f('ix_identity_application_credentials_project_id'), 'identity_application_credentials', ['project_id'], unique=False)
    op.create_table('identity_consumers',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('secret', sa.String(length=64), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('extra', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_consumers'))
    )
    op.create_table('identity_credentials',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('project_id', sa.String(length=64), nullable=True),
    sa.Column('type', sa.String(length=255), nullable=False),
    sa.Column('encrypted_blob', sa.Text(), nullable=False),
    sa.Column('extra', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_credentials'))
    )
    op.create_index(op.f('ix_identity_credentials_project_id'), 'identity_credentials', ['project_id'], unique=False)
    op.create_index(op.f('ix_identity_credentials_user_id'), 'identity_credentials', ['user_id'], unique=False)
    op.create_table('identity_endpoint_groups',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('filters', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_endpoint_groups'))
    )
    op.create_table('identity_groups',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('domain_id', sa.String(length=64), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('extra', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_groups')),
    sa.UniqueConstraint('domain_id', 'name', name=op.f('uq_identity_groups_domain_id_name'))
    )
    op.create_index(op.f('ix_identity_groups_domain_id'), 'identity_groups', ['domain_id'], unique=False)
    op.create_table('identity_identity_providers',
    sa.Column('id', sa.String(length=255), nullable=False),
    sa.Column('domain_id', sa.String(length=64), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('authorization_ttl', sa.Integer(), nullable=True),
    sa.Column('remote_ids', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_identity_providers'))
    )
    op.create_table('identity_limits',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('project_id', sa.String(length=64), nullable=True),
    sa.Column('domain_id', sa.String(length=64), nullable=True),
    sa.Column('service_id', sa.String(length=64), nullable=False),
    sa.Column('region_id', sa.String(length=255), nullable=True),
    sa.Column('resource_name', sa.String(length=255), nullable=False),
    sa.Column('resource_limit', sa.Integer(), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_limits'))
    )
    op.create_index(op.f('ix_identity_limits_domain_id'), 'identity_limits', ['domain_id'], unique=False)
    op.create_index(op.f('ix_identity_limits_project_id'), 'identity_limits', ['project_id'], unique=False)
    op.create_table('identity_mappings',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('rules', cloudd.core.database.Json(), nullable=False),
    sa.Column('schema_version', sa.String(length=8), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_mappings'))
    )
    op.create_table('identity_policies',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('type', sa.String(length=255), nullable=False),
    sa.Column('blob', cloudd.core.database.Json(), nullable=False),
    sa.Column('extra', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_policies'))
    )
    op.create_table('identity_projects',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('domain_id', sa.String(length=64), nullable=True),
    sa.Column('parent_id', sa.String(length=64), nullable=True),
    sa.Column('is_domain', sa.Boolean(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('options', cloudd.core.database.Json(), nullable=False),
    sa.Column('extra', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_projects')),
    sa.UniqueConstraint('domain_id', 'name', name=op.f('uq_identity_projects_domain_id_name'))
    )
    op.create_index(op.f('ix_identity_projects_domain_id'), 'identity_projects', ['domain_id'], unique=False)
    op.create_index(op.f('ix_identity_projects_parent_id'), 'identity_projects', ['parent_id'], unique=False)
    op.create_index('uq_identity_projects_domain', 'identity_projects', ['name'], unique=True, sqlite_where=sa.text('is_domain'), postgresql_where=sa.text('is_domain'))
    op.create_table('identity_regions',
    sa.Column('id', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('parent_region_id', sa.String(length=255), nullable=True),
    sa.Column('extra', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_regions'))
    )
    op.create_table('identity_registered_limits',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('service_id', sa.String(length=64), nullable=False),
    sa.Column('region_id', sa.String(length=255), nullable=True),
    sa.Column('resource_name', sa.String(length=255), nullable=False),
    sa.Column('default_limit', sa.Integer(), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_registered_limits'))
    )
    op.create_index(op.f('ix_identity_registered_limits_service_id'), 'identity_registered_limits', ['service_id'], unique=False)
    op.create_table('identity_revocations',
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('value', sa.String(length=64), nullable=False),
    sa.Column('issued_before', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('expires_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('kind', 'value', name=op.f('pk_identity_revocations'))
    )
    op.create_index(op.f('ix_identity_revocations_expires_at'), 'identity_revocations', ['expires_at'], unique=False)
    op.create_table('identity_roles',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('domain_id', sa.String(length=64), nullable=True),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('options', cloudd.core.database.Json(), nullable=False),
    sa.Column('extra', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_roles')),
    sa.UniqueConstraint('domain_id', 'name', name=op.f('uq_identity_roles_domain_id_name'))
    )
    op.create_index('uq_identity_roles_global', 'identity_roles', ['name'], unique=True, sqlite_where=sa.text('domain_id IS NULL'), postgresql_where=sa.text('domain_id IS NULL'))
    op.create_table('identity_service_providers',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('auth_url', sa.Text(), nullable=False),
    sa.Column('sp_url', sa.Text(), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('relay_state_prefix', sa.String(length=255), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_service_providers'))
    )
    op.create_table('identity_services',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('type', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=True),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('extra', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_services'))
    )
    op.create_index(op.f('ix_identity_services_type'), 'identity_services', ['type'], unique=False)
    op.create_table('identity_trusts',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('trustor_user_id', sa.String(length=64), nullable=False),
    sa.Column('trustee_user_id', sa.String(length=64), nullable=False),
    sa.Column('project_id', sa.String(length=64), nullable=True),
    sa.Column('impersonation', sa.Boolean(), nullable=False),
    sa.Column('role_ids', cloudd.core.database.Json(), nullable=False),
    sa.Column('expires_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.Column('remaining_uses', sa.Integer(), nullable=True),
    sa.Column('redelegated_trust_id', sa.String(length=64), nullable=True),
    sa.Column('redelegation_count', sa.Integer(), nullable=False),
    sa.Column('deleted_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.Column('extra', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_trusts'))
    )
    op.create_index(op.f('ix_identity_trusts_project_id'), 'identity_trusts', ['project_id'], unique=False)
    op.create_index(op.f('ix_identity_trusts_trustee_user_id'), 'identity_trusts', ['trustee_user_id'], unique=False)
    op.create_index(op.f('ix_identity_trusts_trustor_user_id'), 'identity_trusts', ['trustor_user_id'], unique=False)
    op.create_table('identity_users',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('domain_id', sa.String(length=64), nullable=False),
    sa.Column('default_project_id', sa.String(length=64), nullable=True),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('password_hash', sa.String(length=255), nullable=True),
    sa.Column('password_changed_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.Column('password_expires_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.Column('options', cloudd.core.database.Json(), nullable=False),
    sa.Column('extra', cloudd.core.database.Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_users')),
    sa.UniqueConstraint('domain_id', 'name', name=op.f('uq_identity_users_domain_id_name'))
    )
    op.create_index(op.f('ix_identity_users_domain_id'), 'identity_users', ['domain_id'], unique=False)
    op.create_table('identity_application_credential_rules',
    sa.Column('application_credential_id', sa.String(length=64), nullable=False),
    sa.Column('access_rule_id', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['access_rule_id'], ['identity_access_rules.id'], name=op.f('fk_identity_application_credential_rules_access_rule_id')),
    sa.ForeignKeyConstraint(['application_credential_id'], ['identity_application_credentials.id'], name=op.f('fk_identity_application_credential_rules_application_credential_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('application_credential_id', 'access_rule_id', name=op.f('pk_identity_application_credential_rules'))
    )
    op.create_index(op.f('ix_identity_application_credential_rules_access_rule_id'), 'identity_application_credential_rules', ['access_rule_id'], unique=False)
    op.create_table('identity_assignments',
    sa.Column('actor', sa.String(length=8), nullable=False),
    sa.Column('actor_id', sa.String(length=64), nullable=False),
    sa.Column('target', sa.String(length=8), nullable=False),
    sa.Column('target_id', sa.String(length=64), nullable=False),
    sa.Column('role_id', sa.String(length=64), nullable=False),
    sa.Column('inherited', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['role_id'], ['identity_roles.id'], name=op.f('fk_identity_assignments_role_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('actor_id', 'target_id', 'role_id', 'inherited', 'actor', 'target', name=op.f('pk_identity_assignments'))
    )
    op.create_index('ix_identity_assignments_role', 'identity_assignments', ['role_id'], unique=False)
    op.create_index('ix_identity_assignments_target', 'identity_assignments', ['target_id', 'target'], unique=False)
    op.create_table('identity_domain_options',
    sa.Column('domain_id', sa.String(length=64), nullable=False),
    sa.Column('group', sa.String(length=64), nullable=False),
    sa.Column('option', sa.String(length=255), nullable=False),
    sa.Column('value', cloudd.core.database.Json(), nullable=False),
    sa.ForeignKeyConstraint(['domain_id'], ['identity_projects.id'], name=op.f('fk_identity_domain_options_domain_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('domain_id', 'group', 'option', name=op.f('pk_identity_domain_options'))
    )
    op.create_table('identity_endpoints',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('service_id', sa.String(length=64), nullable=False),
    sa.Column('region_id', sa.String(length=255), nullable=True),
    sa.Column('interface', sa.String(length=8), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('extra', cloudd.core.database.Json(), nullable=False),
    sa.ForeignKeyConstraint(['service_id'], ['identity_services.id'], name=op.f('fk_identity_endpoints_service_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_endpoints'))
    )
    op.create_index(op.f('ix_identity_endpoints_region_id'), 'identity_endpoints', ['region_id'], unique=False)
    op.create_index(op.f('ix_identity_endpoints_service_id'), 'identity_endpoints', ['service_id'], unique=False)
    op.create_table('identity_former_passwords',
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('replaced_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('password_hash', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['identity_users.id'], name=op.f('fk_identity_former_passwords_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'replaced_at', name=op.f('pk_identity_former_passwords'))
    )
    op.create_table('identity_implied_roles',
    sa.Column('prior_role_id', sa.String(length=64), nullable=False),
    sa.Column('implied_role_id', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['implied_role_id'], ['identity_roles.id'], name=op.f('fk_identity_implied_roles_implied_role_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['prior_role_id'], ['identity_roles.id'], name=op.f('fk_identity_implied_roles_prior_role_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('prior_role_id', 'implied_role_id', name=op.f('pk_identity_implied_roles'))
    )
    op.create_table('identity_login_records',
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('last_failed_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.Column('last_active_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['identity_users.id'], name=op.f('fk_identity_login_records_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_identity_login_records'))
    )
    op.create_table('identity_memberships',
    sa.Column('group_id', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['group_id'], ['identity_groups.id'], name=op.f('fk_identity_memberships_group_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['identity_users.id'], name=op.f('fk_identity_memberships_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('group_id', 'user_id', name=op.f('pk_identity_memberships'))
    )
    op.create_index(op.f('ix_identity_memberships_user_id'), 'identity_memberships', ['user_id'], unique=False)
    op.create_table('identity_oauth_tokens',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('secret', sa.String(length=64), nullable=False),
    sa.Column('consumer_id', sa.String(length=64), nullable=False),
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=True),
    sa.Column('verifier', sa.String(length=64), nullable=True),
    sa.Column('role_ids', cloudd.core.database.Json(), nullable=False),
    sa.Column('expires_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['consumer_id'], ['identity_consumers.id'], name=op.f('fk_identity_oauth_tokens_consumer_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_oauth_tokens'))
    )
    op.create_index(op.f('ix_identity_oauth_tokens_consumer_id'), 'identity_oauth_tokens', ['consumer_id'], unique=False)
    op.create_index(op.f('ix_identity_oauth_tokens_project_id'), 'identity_oauth_tokens', ['project_id'], unique=False)
    op.create_index(op.f('ix_identity_oauth_tokens_user_id'), 'identity_oauth_tokens', ['user_id'], unique=False)
    op.create_table('identity_policy_associations',
    sa.Column('endpoint_id', sa.String(length=64), nullable=False),
    sa.Column('service_id', sa.String(length=64), nullable=False),
    sa.Column('region_id', sa.String(length=255), nullable=False),
    sa.Column('policy_id', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['policy_id'], ['identity_policies.id'], name=op.f('fk_identity_policy_associations_policy_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('endpoint_id', 'service_id', 'region_id', name=op.f('pk_identity_policy_associations'))
    )
    op.create_index(op.f('ix_identity_policy_associations_policy_id'), 'identity_policy_associations', ['policy_id'], unique=False)
    op.create_table('identity_project_endpoint_groups',
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('endpoint_group_id', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['endpoint_group_id'], ['identity_endpoint_groups.id'], name=op.f('fk_identity_project_endpoint_groups_endpoint_group_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['project_id'], ['identity_projects.id'], name=op.f('fk_identity_project_endpoint_groups_project_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('project_id', 'endpoint_group_id', name=op.f('pk_identity_project_endpoint_groups'))
    )
    op.create_index(op.f('ix_identity_project_endpoint_groups_endpoint_group_id'), 'identity_project_endpoint_groups', ['endpoint_group_id'], unique=False)
    op.create_table('identity_project_tags',
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['identity_projects.id'], name=op.f('fk_identity_project_tags_project_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('project_id', 'name', name=op.f('pk_identity_project_tags'))
    )
    op.create_index(op.f('ix_identity_project_tags_name'), 'identity_project_tags', ['name'], unique=False)
    op.create_table('identity_protocols',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('idp_id', sa.String(length=255), nullable=False),
    sa.Column('mapping_id', sa.String(length=64), nullable=False),
    sa.Column('remote_id_attribute', sa.String(length=255), nullable=True),
    sa.ForeignKeyConstraint(['idp_id'], ['identity_identity_providers.id'], name=op.f('fk_identity_protocols_idp_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('idp_id', 'id', name=op.f('pk_identity_protocols'))
    )
    op.create_table('identity_project_endpoints',
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('endpoint_id', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['endpoint_id'], ['identity_endpoints.id'], name=op.f('fk_identity_project_endpoints_endpoint_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['project_id'], ['identity_projects.id'], name=op.f('fk_identity_project_endpoints_project_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('project_id', 'endpoint_id', name=op.f('pk_identity_project_endpoints'))
    )
    op.create_index(op.f('ix_identity_project_endpoints_endpoint_id'), 'identity_project_endpoints', ['endpoint_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_identity_project_endpoints_endpoint_id'), table_name='identity_project_endpoints')
    op.drop_table('identity_project_endpoints')
    op.drop_table('identity_protocols')
    op.drop_index(op.f('ix_identity_project_tags_name'), table_name='identity_project_tags')
    op.drop_table('identity_project_tags')
    op.drop_index(op.f('ix_identity_project_endpoint_groups_endpoint_group_id'), table_name='identity_project_endpoint_groups')
    op.drop_table('identity_project_endpoint_groups')
    op.drop_index(op.f('ix_identity_policy_associations_policy_id'), table_name='identity_policy_associations')
    op.drop_table('identity_policy_associations')
    op.drop_index(op.f('ix_identity_oauth_tokens_user_id'), table_name='identity_oauth_tokens')
    op.drop_index(op.f('ix_identity_oauth_tokens_project_id'), table_name='identity_oauth_tokens')
    op.drop_index(op.f('ix_identity_oauth_tokens_consumer_id'), table_name='identity_oauth_tokens')
    op.drop_table('identity_oauth_tokens')
    op.drop_index(op.f('ix_identity_memberships_user_id'), table_name='identity_memberships')
    op.drop_table('identity_memberships')
    op.drop_table('identity_login_records')
    op.drop_table('identity_implied_roles')
    op.drop_table('identity_former_passwords')
    op.drop_index(op.f('ix_identity_endpoints_service_id'), table_name='identity_endpoints')
    op.drop_index(op.f('ix_identity_endpoints_region_id'), table_name='identity_endpoints')
    op.drop_table('identity_endpoints')
    op.drop_table('identity_domain_options')
    op.drop_index('ix_identity_assignments_target', table_name='identity_assignments')
    op.drop_index('ix_identity_assignments_role', table_name='identity_assignments')
    op.drop_table('identity_assignments')
    op.drop_index(op.f('ix_identity_application_credential_rules_access_rule_id'), table_name='identity_application_credential_rules')
    op.drop_table('identity_application_credential_rules')
    op.drop_index(op.f('ix_identity_users_domain_id'), table_name='identity_users')
    op.drop_table('identity_users')
    op.drop_index(op.f('ix_identity_trusts_trustor_user_id'), table_name='identity_trusts')
    op.drop_index(op.f('ix_identity_trusts_trustee_user_id'), table_name='identity_trusts')
    op.drop_index(op.f('ix_identity_trusts_project_id'), table_name='identity_trusts')
    op.drop_table('identity_trusts')
    op.drop_index(op.f('ix_identity_services_type'), table_name='identity_services')
    op.drop_table('identity_services')
    op.drop_table('identity_service_providers')
    op.drop_index('uq_identity_roles_global', table_name='identity_roles', sqlite_where=sa.text('domain_id IS NULL'), postgresql_where=sa.text('domain_id IS NULL'))
    op.drop_table('identity_roles')
    op.drop_index(op.f('ix_identity_revocations_expires_at'), table_name='identity_revocations')
    op.drop_table('identity_revocations')
    op.drop_index(op.f('ix_identity_registered_limits_service_id'), table_name='identity_registered_limits')
    op.drop_table('identity_registered_limits')
    op.drop_table('identity_regions')
    op.drop_index('uq_identity_projects_domain', table_name='identity_projects', sqlite_where=sa.text('is_domain'), postgresql_where=sa.text('is_domain'))
    op.drop_index(op.f('ix_identity_projects_parent_id'), table_name='identity_projects')
    op.drop_index(op.f('ix_identity_projects_domain_id'), table_name='identity_projects')
    op.drop_table('identity_projects')
    op.drop_table('identity_policies')
    op.drop_table('identity_mappings')
    op.drop_index(op.f('ix_identity_limits_project_id'), table_name='identity_limits')
    op.drop_index(op.f('ix_identity_limits_domain_id'), table_name='identity_limits')
    op.drop_table('identity_limits')
    op.drop_table('identity_identity_providers')
    op.drop_index(op.f('ix_identity_groups_domain_id'), table_name='identity_groups')
    op.drop_table('identity_groups')
    op.drop_table('identity_endpoint_groups')
    op.drop_index(op.f('ix_identity_credentials_user_id'), table_name='identity_credentials')
    op.drop_index(op.f('ix_identity_credentials_project_id'), table_name='identity_credentials')
    op.drop_table('identity_credentials')
    op.drop_table('identity_consumers')
    op.drop_index(op.f('ix_identity_application_credentials_project_id'), table_name='identity_application_credentials')
    op.drop_table('identity_application_credentials')
    op.drop_table('identity_access_rules')
