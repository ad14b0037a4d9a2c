"""/rbac-policies"""

from cloudd.core.http import Field
from cloudd.core.http import types as t
from cloudd.network import rbac, standard
from cloudd.network.api.collections import Logic, collection
from cloudd.network.api.shapes import UUID, NeutronShape, project_fields
from cloudd.network.models import Rbac

POLICY = NeutronShape(
    "rbac_policy",
    Field("id", UUID, readonly=True),
    *project_fields(),
    Field("object_type", t.Text(1, 255), required=True, update=False),
    Field("object_id", UUID, required=True, update=False),
    Field("action", t.Text(1, 255), required=True, update=False),
    Field("target_tenant", t.Text(1, 255), column="target_project"),
    Field("target_project", t.Text(1, 255)),
    plural="rbac_policies",
)


async def create(context, tx, values):
    values.setdefault("target_project", "*")
    return await rbac.create(context, tx, values)


POLICIES = collection("/rbac-policies", Rbac, POLICY, Logic(create, rbac.update, rbac.delete),
                      visible=lambda context, query: query if standard.sees_all(context)
                      else query.where(Rbac.project_id == context.project_id))
