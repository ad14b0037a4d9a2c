"""/auth/OS-FEDERATION/saml2 and its metadata: this cloud vouches for its users at others (Keystone to Keystone)."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import web
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.errors import BadRequest, Forbidden
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t
from cloudd.identity.api import API
from cloudd.identity.federation import saml
from cloudd.identity.federation import users as federated_users
from cloudd.identity.models import Group, Membership, Project
from cloudd.identity.models.extensions import ServiceProvider
from cloudd.identity.people.subjects import Subject
from cloudd.identity.tokens.tokens import Tokens

BY_ID = t.Obj({"id": t.Text(1, None)}, ("id",))
ASKED = Shape("auth", Field("identity", t.Obj({"methods": t.List(t.Text()), "token": BY_ID}, ("token",)), required=True),
              Field("scope", t.Obj({"service_provider": BY_ID}, ("service_provider",)), required=True))
XML = "text/xml"

issued = API.resource("/auth/OS-FEDERATION/saml2")


def _issuer(request: Request) -> str:
    return request.host_link(f"{API.prefixes[0]}/OS-FEDERATION/saml2/idp")


async def _groups(tx: AsyncSession, subject: Subject, now: Any) -> Sequence[str]:
    """The user's groups, as Keystone writes them into attributes."""
    user_id, named = subject.reach
    for_a_while = await federated_users.memberships(tx, user_id, now)
    lasting = select(Membership.group_id).where(Membership.user_id == user_id)
    query = select(Group.name, Project.name).join(Project, Project.id == Group.domain_id).order_by(Group.id)
    query = query.where(or_(Group.id.in_(lasting), Group.id.in_([*for_a_while, *named])))
    return ["JSON:" + orjson.dumps({"name": name, "domain": {"name": domain}}).decode()
            for name, domain in (await tx.execute(query)).all()]


async def _vouch(request: Request, body: dict[str, Any]) -> tuple[saml.Statement, ServiceProvider]:
    """What is said of the token's user, and to whom. Raises NotFound, Forbidden."""
    wanted, now = body["scope"]["service_provider"]["id"], request.context.now()
    async with request.parts.database.read() as tx:
        provider = await tx.get(ServiceProvider, wanted)
        if provider is None:
            raise API.dialect.missing("service_provider", wanted)
        if not provider.enabled:
            raise Forbidden(f"Service Provider {wanted} is disabled.")
        subject = await request.service(Tokens).check(body["identity"]["token"]["id"])
        if subject.project is None or subject.project.domain is None:
            raise Forbidden("Use a project scoped token when attempting to create a SAML assertion.")
        if subject.is_delegated:
            raise Forbidden("A token that was got through a trust, an application credential or OAuth is no proof for other clouds.")
        groups = await _groups(tx, subject, now)
    attributes = {"openstack_user": [subject.user.name], "openstack_roles": [name for _, name in subject.roles],
                  "openstack_project": [subject.project.name], "openstack_project_domain": [subject.project.domain.name],
                  "openstack_user_domain": [subject.user.domain.name], **({"openstack_groups": groups} if groups else {})}
    until = min(now + saml.LIFETIME, subject.payload.expires_at)
    return saml.Statement(_issuer(request), provider.sp_url, subject.user.name, attributes, now, until), provider


def _quoted(url: str) -> str:
    """An address as a header may hold it, kept since before it was checked or not."""
    return quote(url, safe="%/:?#[]@!$&'()*+,;=~")


async def _answer(request: Request, body: dict[str, Any], ecp: bool) -> web.Response:
    said, provider = await _vouch(request, body)
    try:
        made = await asyncio.to_thread(saml.response, said, request.service(saml.Signer))
        if ecp:
            made = saml.envelope(made, provider.relay_state_prefix + secrets.token_hex(16))
    except ValueError as exc:                                 # lxml's, for a control character in a name
        raise BadRequest(f"The user, the project, a group or the service provider has a name that XML cannot hold: {exc}.") from exc
    headers = {"X-sp-url": _quoted(provider.sp_url), "X-auth-url": _quoted(provider.auth_url), "Cache-Control": "no-store"}
    return web.Response(body=saml.text(made), content_type=XML, headers=headers)


@issued.post("", auth=False, live=True, body=ASKED, answer=t.Text(), media=XML)
async def assertion(request, body):
    """A SAML assertion about the user of a token, for a service provider."""
    return await _answer(request, body, ecp=False)


@issued.post("/ecp", auth=False, live=True, body=ASKED, answer=t.Text(), media=XML)
async def ecp_assertion(request, body):
    """The same, wrapped for a client of the ECP profile."""
    return await _answer(request, body, ecp=True)


@API.resource("/OS-FEDERATION/saml2").get("/metadata", auth=False, live=True, answer=t.Text(), media=XML)
async def metadata(request):
    """What other clouds must know of this one as an identity provider."""
    certificate = await asyncio.to_thread(request.service(saml.Signer).certificate)
    sso = request.host_link(f"{API.prefixes[0]}/OS-FEDERATION/saml2/sso")
    return web.Response(body=saml.text(saml.metadata(_issuer(request), sso, certificate)), content_type=XML)
