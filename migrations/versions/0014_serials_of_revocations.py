"""serials of revocations"""

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('identity_revocations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('serial', sa.BigInteger(), nullable=False, server_default='1'))       # tokens of before have 0
    with op.batch_alter_table('identity_revocations', schema=None) as batch_op:
        batch_op.alter_column('serial', server_default=None)
    table = op.create_table('identity_revocation_serial',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('last', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_revocation_serial'))
    )
    op.bulk_insert(table, [{'id': 1, 'last': 1}])


def downgrade() -> None:
    op.drop_table('identity_revocation_serial')
    with op.batch_alter_table('identity_revocations', schema=None) as batch_op:
        batch_op.drop_column('serial')
