"""Identity: the first tables."""

import sqlalchemy as sa
from alembic import op

import cloudd.core.database

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('identity_application_credentials',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('secret_hash', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('role_ids', cloudd.core.database.Json(), nullable=False),
    sa.Column('unrestricted', sa.Boolean(), nullable=False),
    sa.Column('expires_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_application_credentials')),
    sa.UniqueConstraint('user_id', 'name', name=op.f('uq_identity_application_credentials_user_id_name'))
    )
    op.create_index(op.f('ix_identity_application_credentials_project_id'), 'identity_application_credentials', ['project_id'], unique=False)
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
    op.create_table('identity_implied_roles',
    sa.Column('prior_role_id', sa.String(length=64), nullable=False),
    sa.Column('implied_role_id', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['implied_role_id'], ['identity_roles.id'], name=op.f('fk_identity_implied_roles_implied_role_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['prior_role_id'], ['identity_roles.id'], name=op.f('fk_identity_implied_roles_prior_role_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('prior_role_id', 'implied_role_id', name=op.f('pk_identity_implied_roles'))
    )
    op.create_table('identity_memberships',
    sa.Column('group_id', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['group_id'], ['identity_groups.id'], name=op.f('fk_identity_memberships_group_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['identity_users.id'], name=op.f('fk_identity_memberships_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('group_id', 'user_id', name=op.f('pk_identity_memberships'))
    )
    op.create_index(op.f('ix_identity_memberships_user_id'), 'identity_memberships', ['user_id'], unique=False)
    op.create_table('identity_project_tags',
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['identity_projects.id'], name=op.f('fk_identity_project_tags_project_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('project_id', 'name', name=op.f('pk_identity_project_tags'))
    )
    op.create_index(op.f('ix_identity_project_tags_name'), 'identity_project_tags', ['name'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_identity_project_tags_name'), table_name='identity_project_tags')
    op.drop_table('identity_project_tags')
    op.drop_index(op.f('ix_identity_memberships_user_id'), table_name='identity_memberships')
    op.drop_table('identity_memberships')
    op.drop_table('identity_implied_roles')
    op.drop_index(op.f('ix_identity_endpoints_service_id'), table_name='identity_endpoints')
    op.drop_index(op.f('ix_identity_endpoints_region_id'), table_name='identity_endpoints')
    op.drop_table('identity_endpoints')
    op.drop_index('ix_identity_assignments_target', table_name='identity_assignments')
    op.drop_index('ix_identity_assignments_role', table_name='identity_assignments')
    op.drop_table('identity_assignments')
    op.drop_index(op.f('ix_identity_users_domain_id'), table_name='identity_users')
    op.drop_table('identity_users')
    op.drop_index(op.f('ix_identity_trusts_trustor_user_id'), table_name='identity_trusts')
    op.drop_index(op.f('ix_identity_trusts_trustee_user_id'), table_name='identity_trusts')
    op.drop_index(op.f('ix_identity_trusts_project_id'), table_name='identity_trusts')
    op.drop_table('identity_trusts')
    op.drop_index(op.f('ix_identity_services_type'), table_name='identity_services')
    op.drop_table('identity_services')
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
    op.drop_index(op.f('ix_identity_limits_project_id'), table_name='identity_limits')
    op.drop_index(op.f('ix_identity_limits_domain_id'), table_name='identity_limits')
    op.drop_table('identity_limits')
    op.drop_index(op.f('ix_identity_groups_domain_id'), table_name='identity_groups')
    op.drop_table('identity_groups')
    op.drop_index(op.f('ix_identity_credentials_user_id'), table_name='identity_credentials')
    op.drop_index(op.f('ix_identity_credentials_project_id'), table_name='identity_credentials')
    op.drop_table('identity_credentials')
    op.drop_index(op.f('ix_identity_application_credentials_project_id'), table_name='identity_application_credentials')
    op.drop_table('identity_application_credentials')
