"""/subnetpools and /address-scopes"""

from cloudd.core.http import Field
from cloudd.core.http import types as t
from cloudd.network import standard
from cloudd.network.api import API
from cloudd.network.api.collections import Logic, collection
from cloudd.network.api.shapes import (
    BOOL,
    CIDR,
    LOOSE_INT,
    TEXT,
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
    Field("prefixes", t.List(CIDR), required=True),
    Field("ip_version", readonly=True),
    Field("min_prefixlen", LOOSE_INT),
    Field("max_prefixlen", LOOSE_INT),
    Field("default_prefixlen", LOOSE_INT),
    Field("default_quota", LOOSE_INT),
    Field("address_scope_id", UUID_OR_NULL),
    Field("is_default", BOOL, default=False),
    Field("shared", BOOL, default=False, update=False, of=is_shared),
)
SCOPE = NeutronShape(
    "address_scope",
    Field("id", readonly=True),
    Field("name", TEXT, default=""),
    *project_fields(),
    Field("ip_version", t.Raw({"enum": [4, 6, "4", "6"]}, int), default=4, update=False),
    Field("shared", BOOL, default=False, of=is_shared),
)
PREFIXES = NeutronShape("subnetpool", Field("prefixes", t.List(CIDR), required=True))


def by_sharing(model):
    def make(request):
        def shared(values):
            clause = standard.shared_to(request.context, model.id)
            return clause if values[-1].lower() in ("true", "1") else ~clause
        return shared
    return make


POOLS = collection("/subnetpools", SubnetPool, POOL, Logic(subnetpools.create, subnetpools.update, subnetpools.delete),
                   visible=lambda context, query: standard.own_or_shared(context, query, SubnetPool),
                   by_caller={"shared": by_sharing(SubnetPool)})
SCOPES = collection("/address-scopes", AddressScope, SCOPE,
                    Logic(subnetpools.create_scope, subnetpools.update_scope, subnetpools.delete_scope),
                    visible=lambda context, query: standard.own_or_shared(context, query, AddressScope),
                    by_caller={"shared": by_sharing(AddressScope)})
one = API.resource("/subnetpools/{subnetpool}", body=PREFIXES, use="create", reply=PREFIXES)


@one.put("/add_prefixes", policy="add_prefixes")
async def add_prefixes(request, tx, subnetpool, body):
    """Add prefixes to a subnet pool."""
    return await subnetpools.add_prefixes(request.context, tx, subnetpool, body["prefixes"])


@one.put("/remove_prefixes", policy="remove_prefixes")
async def remove_prefixes(request, tx, subnetpool, body):
    """Take prefixes out of a subnet pool."""
    return await subnetpools.remove_prefixes(request.context, tx, subnetpool, body["prefixes"])
