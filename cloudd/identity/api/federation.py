"""/OS-FEDERATION: identity providers, their protocols, mappings, and service providers; each made with an id of the caller's
choice."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import ids
from cloudd.core.errors import BadRequest, Conflict
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.records import Records, records
from cloudd.identity.api import API, BY_ENABLED, asked, comparable, flag
from cloudd.identity.api.projects import DOMAIN, PROJECT
from cloudd.identity.federation import mapping_rules
from cloudd.identity.federation.users import change_ttl
from cloudd.identity.models import Project
from cloudd.identity.models.extensions import IdentityProvider, Mapping, Protocol, ServiceProvider
from cloudd.identity.people import effective, projects

URL = t.Text(1, 256, pattern=r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\x00-\x1f\x7f]+$")
WORDS = t.Text(1, None)
IN_DOMAIN = t.Obj({"id": WORDS, "name": WORDS})
LOCAL_USER = t.Obj({"id": WORDS, "name": WORDS, "email": WORDS, "domain": IN_DOMAIN, "type": t.Enum("ephemeral", "local")})
LOCAL_PROJECT = t.Obj({"name": WORDS, "domain": IN_DOMAIN, "roles": t.List(t.Obj({"name": WORDS}, ("name",)))}, ("name", "roles"))
LOCAL = t.Obj({"user": LOCAL_USER, "projects": t.List(LOCAL_PROJECT), "projects_json": WORDS, "groups": WORDS,
               "group": t.Obj({"id": WORDS, "name": WORDS, "domain": IN_DOMAIN}), "group_ids": WORDS, "domain": IN_DOMAIN})
LISTED = t.List(t.Text(0, None))
REMOTE = t.Obj({"type": t.Text(1), "regex": t.Bool(), "any_one_of": LISTED, "not_any_of": LISTED, "whitelist": LISTED,
                "blacklist": LISTED}, ("type",))
RULES = t.List(t.Obj({"local": t.List(LOCAL), "remote": t.List(REMOTE, 1)}, ("local", "remote")), 1)
PATH = "/OS-FEDERATION"


def links_below(path: str, *more: str) -> Field:
    """`links` with the record's own address and those of what lies below it."""
    def view(row: Any, request: Request) -> dict[str, str]:
        own = request.link(f"{path}/{row.id}")
        return {"self": own, **{name: f"{own}/{name}" for name in more}}
    return Field("links", t.Record(dict.fromkeys(("self", *more), t.Text())), readonly=True, of=view)


ID = Field("id", t.Text(1, 64), update=False)
"""openstacksdk says it in the body as well as in the address, which counts."""
PROVIDER = Shape(
    "identity_provider", ID, Field("enabled", t.Bool(null=True), default=False),
    Field("description", t.Text(0, None, null=True)), Field("domain_id", t.Text(1, 64, null=True), update=False),
    Field("authorization_ttl", t.Int(0, 0x7FFFFFFF, null=True)),
    Field("remote_ids", t.List(t.Text(), unique=True, null=True), default=list),
    links_below(f"{PATH}/identity_providers", "protocols"))
PROTOCOL = Shape(
    "protocol", ID, Field("mapping_id", t.Text(1, 64), required=True),
    Field("remote_id_attribute", t.Text(0, 255, null=True)),
    Field("links", t.Record({"self": t.Text(), "identity_provider": t.Text()}), readonly=True, of=lambda row, request: {
        "self": request.link(f"{PATH}/identity_providers/{{}}/protocols/{{}}", row.idp_id, row.id),
        "identity_provider": request.link(f"{PATH}/identity_providers/{{}}", row.idp_id)}))
MAPPING = Shape("mapping", Field("id", t.Text(1, 64)), Field("rules", RULES, required=True),
                Field("schema_version", t.Text(1, 8, null=True), default="1.0"), links_below(f"{PATH}/mappings"))
SERVICE = Shape(
    "service_provider", ID, Field("auth_url", URL, required=True), Field("sp_url", URL, required=True),
    Field("description", t.Text(0, None, null=True)), Field("enabled", t.Bool(), default=False),
    Field("relay_state_prefix", t.Text(1, 255, pattern=r"^[^\x00-\x1f\x7f]*$"), default="ss:mem:"),
    links_below(f"{PATH}/service_providers"))


def named(made: Records) -> None:
    """PUT below the path of a record makes it under the id in the address."""
    async def create(request, tx, id, body):
        """Make one, with an id of the caller's choice."""
        if not is_id(id):
            raise BadRequest(f"Invalid id '{id}': 1 to 64 letters, digits, - and _.")
        if await tx.get(made.model, id):
            raise Conflict(f"Conflict occurred attempting to store {made.shape.name} - Duplicate ID, {id}.")
        if made.before_create:
            body = await made.before_create(request, tx, {**body, "id": id})
        row = made.model(**{**body, "id": id})
        tx.add(row)
        await tx.flush()
        await made.tell(request, tx, row, "create", "created")
        return row
    API.resource(made.path).put("/{id}", status=201, body=made.shape, use="create", reply=made.shape,
                                policy=f"identity:create_{made.shape.name}")(create)


def is_id(value: str) -> bool:
    return 0 < len(value) <= 64 and all(char.isalnum() or char in "-_" for char in value) and value.isascii()


async def provider_before_create(request: Request, tx: AsyncSession, values: dict[str, Any]) -> dict[str, Any]:
    """Its users need a domain: the one named, or one of its own."""
    domain_id = values.get("domain_id")
    if domain_id is None:
        domain_id = values["domain_id"] = ids.new_hex()
        domain = {"name": domain_id, "is_domain": True, "domain_id": None, "parent_id": None}
        await projects.check_name(tx, domain)
        tx.add(Project(id=domain_id, **domain, description=f"Auto generated federated domain for Identity Provider: "
                                                           f"{values['id']}"))
    else:
        domain = await tx.get(Project, domain_id)
        if domain is None or not domain.is_domain:
            raise API.dialect.missing("domain", domain_id)
    await _remote_ids_free(tx, values, values["id"])
    return {**values, "enabled": bool(values["enabled"]), "remote_ids": values["remote_ids"] or []}


async def provider_before_update(request: Request, tx: AsyncSession, row: IdentityProvider,
                                 values: dict[str, Any]) -> dict[str, Any]:
    await _remote_ids_free(tx, values, row.id)
    if "authorization_ttl" in values:
        ttl = values["authorization_ttl"]
        await change_ttl(tx, row.id, request.settings.federation.default_authorization_ttl if ttl is None else ttl)
    if "remote_ids" in values:
        values["remote_ids"] = values["remote_ids"] or []
    if "enabled" in values:
        values["enabled"] = bool(values["enabled"])
    return values


async def _remote_ids_free(tx: AsyncSession, values: dict[str, Any], own: str) -> None:
    wanted = set(values.get("remote_ids") or ())
    rows = (await tx.execute(select(IdentityProvider).where(IdentityProvider.id != own))).scalars() if wanted else ()
    for row in rows:
        if taken := wanted & set(row.remote_ids):
            raise Conflict(f"Duplicate remote ID: {min(taken)}, which belongs to the identity provider {row.id}.")


async def provider_before_delete(request: Request, tx: AsyncSession, row: IdentityProvider) -> None:
    await tx.execute(Protocol.__table__.delete().where(Protocol.idp_id == row.id))


async def mapping_before_create(request: Request, tx: AsyncSession, values: dict[str, Any]) -> dict[str, Any]:
    values["schema_version"] = values["schema_version"] or mapping_rules.VERSIONS[0]
    mapping_rules.check(values["rules"], values["schema_version"])
    return values


async def mapping_before_update(request: Request, tx: AsyncSession, row: Mapping, values: dict[str, Any]) -> dict[str, Any]:
    if values.pop("id", row.id) != row.id:
        raise BadRequest("Cannot change Mapping ID.")
    values["schema_version"] = values.get("schema_version") or row.schema_version
    mapping_rules.check(values.get("rules", row.rules), values["schema_version"])
    return values


VERBS = ("list", "show", "update", "delete")
PROVIDERS = records(API, f"{PATH}/identity_providers", IdentityProvider, PROVIDER, policy="identity:{verb}", verbs=VERBS,
                    update_method="patch", filters={**comparable(id=IdentityProvider.id), "enabled": flag(IdentityProvider.enabled)},
                    options={"list": {"query": asked(BY_ENABLED)}},
                    before_create=provider_before_create, before_update=provider_before_update,
                    before_delete=provider_before_delete, notify="identity.identity_provider.{past}")
MAPPINGS = records(API, f"{PATH}/mappings", Mapping, MAPPING, policy="identity:{verb}", verbs=VERBS, update_method="patch",
                   filters={}, notify="identity.mapping.{past}", before_create=mapping_before_create, before_update=mapping_before_update)
SERVICES = records(API, f"{PATH}/service_providers", ServiceProvider, SERVICE, policy="identity:{verb}", verbs=VERBS,
                   update_method="patch", notify="identity.service_provider.{past}",
                   filters={**comparable(id=ServiceProvider.id), "enabled": flag(ServiceProvider.enabled)},
                   options={"list": {"query": asked(BY_ENABLED)}})
for made in (PROVIDERS, MAPPINGS, SERVICES):
    named(made)

protocols = API.resource(f"{PATH}/identity_providers/{{identity_provider}}/protocols")


@API.loader("protocol")
async def load_protocol(request: Request, tx: AsyncSession, value: str) -> Protocol:
    row = await tx.get(Protocol, (request.path["identity_provider"], value))
    if row is None:
        raise API.dialect.missing("protocol", value)
    return row


async def _mapping_exists(tx: AsyncSession, values: dict[str, Any]) -> None:
    if "mapping_id" in values and await tx.get(Mapping, values["mapping_id"]) is None:
        raise BadRequest(f"Could not find mapping: {values['mapping_id']}.")


@protocols.get("", policy="identity:list_protocols", reply=PROTOCOL)
async def list_protocols(request, tx, identity_provider) -> Page:
    """The protocols of an identity provider."""
    query = select(Protocol).where(Protocol.idp_id == identity_provider.id).order_by(Protocol.id)
    return Page(list((await tx.execute(query)).scalars()))


@protocols.put("/{id}", status=201, body=PROTOCOL, use="create", policy="identity:create_protocol", reply=PROTOCOL)
async def create_protocol(tx, identity_provider, id, body):
    """Let the users of an identity provider come by a protocol."""
    if not is_id(id):
        raise BadRequest(f"Invalid id '{id}': 1 to 64 letters, digits, - and _.")
    if await tx.get(Protocol, (identity_provider.id, id)):
        raise Conflict(f"Conflict occurred attempting to store federation_protocol - Duplicate ID, {id}.")
    await _mapping_exists(tx, body)
    row = Protocol(**{**body, "id": id, "idp_id": identity_provider.id})
    tx.add(row)
    return row


@protocols.get("/{protocol}", policy="identity:get_protocol", reply=PROTOCOL)
async def show_protocol(protocol):
    """A protocol of an identity provider."""
    return protocol


@protocols.patch("/{protocol}", body=PROTOCOL, policy="identity:update_protocol", reply=PROTOCOL)
async def update_protocol(tx, protocol, body):
    """Give a protocol another mapping."""
    await _mapping_exists(tx, body)
    for name, value in body.items():
        setattr(protocol, name, value)
    return protocol


@protocols.delete("/{protocol}", policy="identity:delete_protocol")
async def delete_protocol(tx, protocol):
    """Take a protocol off an identity provider."""
    await tx.delete(protocol)


@API.resource(f"{PATH}/projects").get("", policy="identity:list_projects_for_user", reply=PROJECT)
async def list_projects(request, tx):
    """Projects that the caller may scope to."""
    return (await effective.reachable(tx, *request.context.token.reach))[0]


@API.resource(f"{PATH}/domains").get("", policy="identity:list_domains_for_user", reply=DOMAIN)
async def list_domains(request, tx):
    """Domains that the caller may scope to."""
    return (await effective.reachable(tx, *request.context.token.reach))[1]
