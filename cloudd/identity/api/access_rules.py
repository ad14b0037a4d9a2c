"""/users/{user}/access_rules: the requests that a user has written down for his application credentials."""

from typing import Any

from sqlalchemy import select

from cloudd.core.errors import Forbidden, NotFound
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.lists import Listing
from cloudd.identity.api import API, ID, SELF, comparable
from cloudd.identity.models.extensions import AccessRule
from cloudd.identity.tokens import access_rules

RULE = Shape("access_rule", ID, Field("service", t.Text(), readonly=True), Field("path", t.Text(), readonly=True),
             Field("method", t.Text(), readonly=True), Field("links", SELF, readonly=True, of=lambda row, request: {
                 "self": request.link(f"/users/{row.user_id}/access_rules/{row.id}")}))
LISTING = Listing(AccessRule, comparable(service=AccessRule.service, path=AccessRule.path, method=AccessRule.method))
resource = API.resource("/users/{user_id}/access_rules")


@API.loader("access_rule")
async def load(request: Request, tx: Any, value: str) -> AccessRule:
    row = await tx.get(AccessRule, value)
    if row is None or row.user_id != request.path["user_id"]:
        raise NotFound(f"Could not find Access Rule: {value}.", type="access_ruleNotFound")
    return row


def _target(request: Request) -> dict[str, Any]:
    return {"target": {"user": {"id": request.path["user_id"]}}}


@resource.get("", policy="identity:list_access_rules", target=_target, reply=RULE, listing=LISTING)
async def index(request, tx, user_id) -> Page:
    """A user's access rules."""
    return await LISTING.page(request, tx, select(AccessRule).where(AccessRule.user_id == user_id))


@resource.get("/{access_rule}", policy="identity:get_access_rule", target=_target, reply=RULE)
async def show(access_rule):
    """An access rule."""
    return access_rule


@resource.delete("/{access_rule}", policy="identity:delete_access_rule", target=_target)
async def delete(tx, access_rule):
    """Forget an access rule that no application credential has."""
    if used := await access_rules.users_of(tx, access_rule.id):
        raise Forbidden(f"The access rule {access_rule.id} is in use by the application credential {used[0]}: delete that first.")
    await tx.delete(access_rule)
