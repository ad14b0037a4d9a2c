"""Images: the first tables."""

import sqlalchemy as sa
from alembic import op

import cloudd.core.database

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('image_images',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=True),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('visibility', sa.String(length=16), nullable=False),
    sa.Column('protected', sa.Boolean(), nullable=False),
    sa.Column('os_hidden', sa.Boolean(), nullable=False),
    sa.Column('container_format', sa.String(length=20), nullable=True),
    sa.Column('disk_format', sa.String(length=20), nullable=True),
    sa.Column('min_disk', sa.Integer(), nullable=False),
    sa.Column('min_ram', sa.Integer(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=True),
    sa.Column('virtual_size', sa.BigInteger(), nullable=True),
    sa.Column('checksum', sa.String(length=32), nullable=True),
    sa.Column('os_hash_algo', sa.String(length=16), nullable=True),
    sa.Column('os_hash_value', sa.String(length=128), nullable=True),
    sa.Column('store', sa.String(length=32), nullable=True),
    sa.Column('blob', sa.String(length=64), nullable=True),
    sa.Column('tags', cloudd.core.database.Json(), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_image_images'))
    )
    op.create_index(op.f('ix_image_images_project_id'), 'image_images', ['project_id'], unique=False)
    op.create_index('ix_image_images_visibility', 'image_images', ['visibility', 'status'], unique=False)
    op.create_table('image_md_namespaces',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('namespace', sa.String(length=80), nullable=False),
    sa.Column('display_name', sa.String(length=80), nullable=True),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('visibility', sa.String(length=16), nullable=False),
    sa.Column('protected', sa.Boolean(), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=True),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_image_md_namespaces')),
    sa.UniqueConstraint('namespace', name=op.f('uq_image_md_namespaces_namespace'))
    )
    op.create_table('image_md_resource_types',
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_image_md_resource_types'))
    )
    op.create_table('image_tasks',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('image_id', sa.String(length=36), nullable=False),
    sa.Column('type', sa.String(length=30), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('input', cloudd.core.database.Json(), nullable=False),
    sa.Column('result', cloudd.core.database.Json(), nullable=True),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('project_id', sa.String(length=36), nullable=True),
    sa.Column('user_id', sa.String(length=36), nullable=True),
    sa.Column('request_id', sa.String(length=64), nullable=True),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('expires_at', cloudd.core.database.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_image_tasks'))
    )
    op.create_index(op.f('ix_image_tasks_image_id'), 'image_tasks', ['image_id'], unique=False)
    op.create_table('image_md_associations',
    sa.Column('prefix', sa.String(length=255), nullable=True),
    sa.Column('properties_target', sa.String(length=255), nullable=True),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('namespace_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['namespace_id'], ['image_md_namespaces.id'], name=op.f('fk_image_md_associations_namespace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_image_md_associations')),
    sa.UniqueConstraint('namespace_id', 'name', name=op.f('uq_image_md_associations_namespace_id_name'))
    )
    op.create_table('image_md_objects',
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('required', cloudd.core.database.Json(), nullable=False),
    sa.Column('properties', cloudd.core.database.Json(), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('namespace_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['namespace_id'], ['image_md_namespaces.id'], name=op.f('fk_image_md_objects_namespace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_image_md_objects')),
    sa.UniqueConstraint('namespace_id', 'name', name=op.f('uq_image_md_objects_namespace_id_name'))
    )
    op.create_table('image_md_properties',
    sa.Column('definition', cloudd.core.database.Json(), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('namespace_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['namespace_id'], ['image_md_namespaces.id'], name=op.f('fk_image_md_properties_namespace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_image_md_properties')),
    sa.UniqueConstraint('namespace_id', 'name', name=op.f('uq_image_md_properties_namespace_id_name'))
    )
    op.create_table('image_md_tags',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('namespace_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['namespace_id'], ['image_md_namespaces.id'], name=op.f('fk_image_md_tags_namespace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_image_md_tags')),
    sa.UniqueConstraint('namespace_id', 'name', name=op.f('uq_image_md_tags_namespace_id_name'))
    )
    op.create_table('image_members',
    sa.Column('image_id', sa.String(length=36), nullable=False),
    sa.Column('member_id', sa.String(length=36), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('created_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.Column('updated_at', cloudd.core.database.Moment(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['image_id'], ['image_images.id'], name=op.f('fk_image_members_image_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('image_id', 'member_id', name=op.f('pk_image_members'))
    )
    op.create_table('image_properties',
    sa.Column('image_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('value', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['image_id'], ['image_images.id'], name=op.f('fk_image_properties_image_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('image_id', 'name', name=op.f('pk_image_properties'))
    )
    op.create_table('image_tags',
    sa.Column('image_id', sa.String(length=36), nullable=False),
    sa.Column('tag', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['image_id'], ['image_images.id'], name=op.f('fk_image_tags_image_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('image_id', 'tag', name=op.f('pk_image_tags'))
    )


def downgrade() -> None:
    op.drop_table('image_tags')
    op.drop_table('image_properties')
    op.drop_table('image_members')
    op.drop_table('image_md_tags')
    op.drop_table('image_md_properties')
    op.drop_table('image_md_objects')
    op.drop_table('image_md_associations')
    op.drop_index(op.f('ix_image_tasks_image_id'), table_name='image_tasks')
    op.drop_table('image_tasks')
    op.drop_table('image_md_resource_types')
    op.drop_table('image_md_namespaces')
    op.drop_index('ix_image_images_visibility', table_name='image_images')
    op.drop_index(op.f('ix_image_images_project_id'), table_name='image_images')
    op.drop_table('image_images')
