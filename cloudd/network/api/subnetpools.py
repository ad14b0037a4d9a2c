"""/subnetpools and /address-scopes"""

from cloudd.core.http import Field, Shape
from cloudd.core.http import types as t
from cloudd.network import standard
from cloudd.network.api import API
from cloudd.network.api.collections import Logic, collection, sharing
from cloudd.network.api.conversions import MOST
from cloudd.network.api.shapes import (
    BOOL,
    CIDR,
    INT,
    TEXT,
    UUID,
    UUID_OR_NULL,
    NeutronShape,
    is_shared,
    project_fields,
    standard_fields,
)
from cloudd.network.l2 import subnetpools
from cloudd.network.models import AddressScope, SubnetPool

POOL = NeutronShape(
    "subnetpool",
    *standard_fields(name_required=True),
    Field("prefixes", t.List(CIDR, 0, MOST), required=True),
    Field("ip_version", t.Int(), readonly=True),
    Field("min_prefixlen", INT),
    Field("max_prefixlen", INT),
    Field("default_prefixlen", INT),
    Field("default_quota", INT, answer=t.Int(null=True)),
    Field("address_scope_id", UUID_OR_NULL),
    Field("is_default", BOOL, default=False),
    Field("shared", BOOL, default=False, update=False, of=is_shared),
)
SCOPE = NeutronShape(
    "address_scope",
    Field("id", UUID, readonly=True),
    Field("name", TEXT, default=""),
    *project_fields(),
    Field("ip_version", t.Raw({"enum": [4, 6, "4", "6"]}, int, answer={"enum": [4, 6]}), default=4, update=False),
    Field("shared", BOOL, default=False, of=is_shared),
)


class Prefixes(Shape):
    """`{"prefixes": [...]}`, as clients send it; in the pool's wrapper as well."""

    def read(self, body, version, use="create"):
        wrapped = body.get("subnetpool") if isinstance(body, dict) and body.keys() == {"subnetpool"} else None
        return super().read(wrapped if isinstance(wrapped, dict) else body, version, use)


PREFIXES = Prefixes(None, Field("prefixes", t.List(CIDR, 1, MOST), required=True))


POOLS = collection("/subnetpools", SubnetPool, POOL, Logic(subnetpools.create, subnetpools.update, subnetpools.delete),
                   visible=lambda context, query: standard.own_or_shared(context, query, SubnetPool),
                   by_caller={"shared": sharing(SubnetPool.id)})
SCOPES = collection("/address-scopes", AddressScope, SCOPE,
                    Logic(subnetpools.create_scope, subnetpools.update_scope, subnetpools.delete_scope),
                    visible=lambda context, query: standard.own_or_shared(context, query, AddressScope),
                    by_caller={"shared": sharing(AddressScope.id)})
one = API.resource("/subnetpools/{subnetpool}", body=PREFIXES, use="create", reply=PREFIXES)


@one.put("/add_prefixes", policy="add_prefixes")
async def add_prefixes(request, tx, subnetpool, body):
    """Add prefixes to a subnet pool."""
    return await subnetpools.add_prefixes(request.context, tx, subnetpool, body["prefixes"])


@one.put("/remove_prefixes", policy="remove_prefixes")
async def remove_prefixes(request, tx, subnetpool, body):
    """Take prefixes out of a subnet pool."""
    return await subnetpools.remove_prefixes(request.context, tx, subnetpool, body["prefixes"])
