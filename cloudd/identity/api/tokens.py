"""/auth/tokens: log in, look at a token, revoke one; and what a token may scope to."""

from dataclasses import replace
from typing import Any

from cloudd.core import events
from cloudd.core.clock import iso_micro
from cloudd.core.errors import NotFound
from cloudd.core.http import Reply, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.shapes import Field, queried
from cloudd.identity.api import API, PAGE, SELF
from cloudd.identity.api.projects import DOMAIN, PROJECT
from cloudd.identity.audit import TokenRevoked
from cloudd.identity.catalog import Catalog
from cloudd.identity.oauth1 import Signed
from cloudd.identity.passwords import Hasher
from cloudd.identity.people import effective
from cloudd.identity.people.subjects import Subject
from cloudd.identity.tokens.authentication import log_in, telling
from cloudd.identity.tokens.methods import Login
from cloudd.identity.tokens.tokens import Tokens

IDENTITY = t.Obj({"methods": t.List(t.Text()), "password": t.Map(), "token": t.Map(), "application_credential": t.Map()},
                 ("methods",), extra=True)
SCOPE = t.Raw({"anyOf": [{"type": "object"}, {"enum": ["unscoped", None]}]})
AUTH = Shape("auth", Field("identity", IDENTITY, required=True), Field("scope", SCOPE), extra=True)

ONE = t.Record({"id": t.Text()})
NAMED = {"id": t.Text(), "name": t.Text()}
PLACE = t.Record({**NAMED, "domain": t.Record(NAMED)}, ("domain",))
ALL = t.Record({"all": t.Bool()})
ENDPOINT = t.Record({"id": t.Text(), "interface": t.Text(), "region": t.Text(null=True), "region_id": t.Text(null=True), "url": t.Text()})
ENTRIES = t.List(t.Record({**NAMED, "type": t.Text(), "endpoints": t.List(ENDPOINT)}))
ORIGIN = t.Record({"identity_provider": ONE, "protocol": ONE, "groups": t.List(ONE)})
USER = t.Record({**NAMED, "domain": t.Record(NAMED), "password_expires_at": t.Text(null=True), "OS-FEDERATION": ORIGIN},
                ("password_expires_at", "OS-FEDERATION"))
RULES = t.List(t.Record(dict.fromkeys(("id", "service", "path", "method"), t.Text())))
OF_SCOPE = {
    "project": PLACE, "is_domain": t.Bool(), "domain": t.Record(NAMED), "system": ALL, "roles": t.List(t.Record(NAMED)), "catalog": ENTRIES,
    "service_providers": t.List(t.Record(dict.fromkeys(("id", "auth_url", "sp_url"), t.Text()))),
    "OS-TRUST:trust": t.Record({"id": t.Text(), "impersonation": t.Bool(), "trustor_user": ONE, "trustee_user": ONE}),
    "application_credential": t.Record({**NAMED, "restricted": t.Bool(), "access_rules": RULES}, ("access_rules",)),
    "OS-OAUTH1": t.Record({"access_token_id": t.Text(), "consumer_id": t.Text()})}
"""What a token tells of where it is good and how it was come by."""
TOKEN = t.Record({"token": t.Record({"methods": t.List(t.Text()), "audit_ids": t.List(t.Text()), "expires_at": t.Text(),
                                     "issued_at": t.Text(), "user": USER, **OF_SCOPE}, tuple(OF_SCOPE))})
VALIDATED = queried("allow_expired", "nocatalog")
CATALOG = t.Record({"catalog": ENTRIES, "links": PAGE})
SYSTEM = t.Record({"system": t.List(ALL), "links": SELF})
tokens = API.resource("/auth/tokens")
auth = API.resource("/auth")


async def subject_of(request: Request) -> Subject:
    """The token that `X-Subject-Token` holds. Raises NotFound."""
    text = request.raw.headers.get("X-Subject-Token")
    if not text:
        raise NotFound("No token in the request: send it as X-Subject-Token.", type="TokenNotFound")
    expired = request.query.get("allow_expired", "").lower() in ("1", "true") and "service" in request.context.roles
    return await request.service(Tokens).check(text, expired)


async def view(request: Request, subject: Subject) -> dict[str, Any]:
    """The body that tells of a token."""
    payload, user = subject.payload, subject.user
    token: dict[str, Any] = {
        "methods": list(payload.methods), "audit_ids": list(payload.audit_ids),
        "expires_at": iso_micro(payload.expires_at), "issued_at": iso_micro(payload.issued_at),
        "user": {"domain": user.domain.view(), "id": user.id, "name": user.name,
                 "password_expires_at": _naive(user.password_expires_at)}}
    if subject.project:
        token |= {"is_domain": subject.project.is_domain, "project": subject.project.view()}
    elif subject.domain:
        token["domain"] = subject.domain.view()
    elif subject.system:
        token["system"] = {"all": True}
    if subject.trust:
        token["OS-TRUST:trust"] = subject.trust
    if subject.application_credential:
        token["application_credential"] = subject.application_credential
    if payload.origin:
        token["user"]["OS-FEDERATION"] = {"identity_provider": {"id": payload.origin.idp_id},
                                          "protocol": {"id": payload.origin.protocol_id},
                                          "groups": [{"id": key} for key in payload.origin.group_ids]}
        del token["user"]["password_expires_at"]
    if subject.oauth:
        token["OS-OAUTH1"] = subject.oauth
    if payload.scope:
        token["roles"] = [{"id": key, "name": name} for key, name in subject.roles]
        if "nocatalog" not in request.query:
            catalog = request.service(Catalog)
            token["catalog"] = await catalog.view(
                request.base_url, subject.project.id if subject.project else None, user.id)
            if providers := await catalog.service_providers():
                token["service_providers"] = providers
    return {"token": token}


def _naive(moment: Any) -> str | None:
    text = iso_micro(moment)
    return text.rstrip("Z") if text else None


@tokens.post("", status=201, body=AUTH, auth=False, live=True, answer=TOKEN, query=queried("nocatalog"))
async def create(request, body):
    """Log in: a new token, in X-Subject-Token."""
    headers, methods = request.raw.headers, body["identity"]["methods"]
    login = Login(request.service(Tokens), body["identity"], request.service(Hasher), request.context)
    if "oauth1" in methods:
        async with telling(login, methods):
            signed = Signed.read("POST", request.host_link(request.raw.path), headers.get("Authorization", ""), request.query)
        login = replace(login, signed=signed)
    text, subject = await log_in(login, body.get("scope"), headers.get("Openstack-Auth-Receipt"))
    return Reply(await view(request, subject), headers={"X-Subject-Token": text, "Vary": "X-Auth-Token"})


async def _show(request: Request, rule: str) -> Reply:
    """Policy is asked about the token, not about a row."""
    subject = await subject_of(request)
    request.require(rule, {"target": {"token": subject}})
    text = request.raw.headers["X-Subject-Token"]
    return Reply(await view(request, subject), headers={"X-Subject-Token": text, "Vary": "X-Auth-Token"})


@tokens.get("", policy="identity:validate_token", live=True, answer=TOKEN, query=VALIDATED, target=lambda request: _own_token(request))
async def show(request):
    """What a token says."""
    return await _show(request, "identity:validate_token")


@tokens.head("", policy="identity:check_token", live=True, query=VALIDATED, target=lambda request: _own_token(request))
async def check(request):
    """Whether a token is good."""
    reply = await _show(request, "identity:check_token")
    return Reply(None, headers=reply.headers)


@tokens.delete("", policy="identity:revoke_token", live=True, target=lambda request: _own_token(request))
async def revoke(request):
    """Make a token void."""
    subject = await subject_of(request)
    request.require("identity:revoke_token", {"target": {"token": subject}})
    service = request.service(Tokens)
    async with request.parts.database.write() as tx:
        await service.revocations.add(tx, request.context, "audit", subject.payload.audit_ids[0])
        await events.emit(tx, request.context, TokenRevoked(subject.payload.audit_ids[0], subject.user_id))


def _own_token(request: Request) -> dict[str, Any]:
    """The first check, before the token is read: everybody may ask about a token of his own."""
    return {"target": {"token": request.context.token}}


@auth.get("/catalog", policy="identity:get_auth_catalog", live=True, answer=CATALOG)
async def catalog(request):
    """The catalog of the caller's token."""
    if request.context.scope is None:
        raise NotFound("The token is unscoped: it has no catalog.")
    found = await request.service(Catalog).view(request.base_url, request.context.project_id, request.context.user_id)
    return {"catalog": found, "links": {"self": request.link("/auth/catalog"), "next": None, "previous": None}}


@auth.get("/projects", policy="identity:get_auth_projects", reply=PROJECT)
async def projects(request, tx):
    """Projects that the caller may scope to."""
    return (await effective.reachable(tx, *request.context.token.reach))[0]


@auth.get("/domains", policy="identity:get_auth_domains", reply=DOMAIN)
async def domains(request, tx):
    """Domains that the caller may scope to."""
    return (await effective.reachable(tx, *request.context.token.reach))[1]


@auth.get("/system", policy="identity:get_auth_system", answer=SYSTEM)
async def system(request, tx):
    """System scopes that the caller may have."""
    _, _, on_system = await effective.reachable(tx, *request.context.token.reach)
    return {"system": [{"all": True}] if on_system else [], "links": {"self": request.link("/auth/system")}}
