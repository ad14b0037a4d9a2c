"""image locations"""

import sqlalchemy as sa
from alembic import op

import cloudd.core.database

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('image_blobs',
    sa.Column('store', sa.String(length=32), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('image_id', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('store', 'key', name=op.f('pk_image_blobs'))
    )
    with op.batch_alter_table('image_blobs', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_image_blobs_image_id'), ['image_id'], unique=False)

    op.create_table('image_locations',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('image_id', sa.String(length=36), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('store', sa.String(length=32), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('facts', cloudd.core.database.Json(), nullable=False),
    sa.ForeignKeyConstraint(['image_id'], ['image_images.id'], name=op.f('fk_image_locations_image_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_image_locations'))
    )
    with op.batch_alter_table('image_locations', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_image_locations_image_id'), ['image_id'], unique=False)

    op.execute("INSERT INTO image_locations (id, image_id, position, store, key, facts) "
               "SELECT id, id, 0, store, blob, '{}' FROM image_images WHERE blob IS NOT NULL")
    # not as a batch: SQLite would make the table anew, and what refers to it would be deleted with the old one
    op.drop_column('image_images', 'blob')
    op.drop_column('image_images', 'store')


def downgrade() -> None:
    op.add_column('image_images', sa.Column('store', sa.VARCHAR(length=32), nullable=True))
    op.add_column('image_images', sa.Column('blob', sa.VARCHAR(length=64), nullable=True))
    for column, value in (('store', 'store'), ('blob', 'key')):
        op.execute(f"UPDATE image_images SET {column} = (SELECT {value} FROM image_locations WHERE image_id = image_images.id "
                   "AND position = (SELECT min(position) FROM image_locations WHERE image_id = image_images.id))")
    with op.batch_alter_table('image_locations', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_image_locations_image_id'))

    op.drop_table('image_locations')
    with op.batch_alter_table('image_blobs', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_image_blobs_image_id'))

    op.drop_table('image_blobs')
