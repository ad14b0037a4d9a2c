"""what of cloudd's own a port serves, and the router that it belongs to: told by rows that no owner of a port writes

What cloudd made so far is known by its host, which members cannot set and servers' ports have besides.
"""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

MADE_HERE = "host_id != '' AND id NOT IN (SELECT port_id FROM compute_server_ports)"


def upgrade() -> None:
    op.add_column('network_ports', sa.Column('service', sa.String(length=32), nullable=False, server_default=''))
    op.add_column('network_ports', sa.Column('router_id', sa.String(length=36), nullable=True))
    op.create_index(op.f('ix_network_ports_router_id'), 'network_ports', ['router_id'], unique=False)
    op.execute("UPDATE network_ports SET service = 'network:dhcp' WHERE device_owner = 'network:dhcp' AND " + MADE_HERE)
    op.execute("UPDATE network_ports SET service = 'network:router_interface', router_id = device_id WHERE "
               "device_owner = 'network:router_interface' AND device_id IN (SELECT id FROM network_routers) AND " + MADE_HERE)
    op.execute("UPDATE network_ports SET service = 'network:router_gateway', router_id = (SELECT id FROM network_routers "
               "WHERE gw_port_id = network_ports.id) WHERE id IN (SELECT gw_port_id FROM network_routers WHERE gw_port_id IS NOT NULL)")
    op.execute("UPDATE network_ports SET service = 'network:floatingip' WHERE id IN (SELECT floating_port_id FROM network_floatingips)")


def downgrade() -> None:
    op.drop_index(op.f('ix_network_ports_router_id'), table_name='network_ports')
    op.drop_column('network_ports', 'router_id')
    op.drop_column('network_ports', 'service')
