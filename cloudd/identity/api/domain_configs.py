"""/domains/{domain}/config: a domain's own options, such as the directory that its users come from; and the
defaults of all."""

from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.errors import BadRequest, Forbidden, NotFound
from cloudd.core.http import Reply, Request
from cloudd.core.http import types as t
from cloudd.core.http.shapes import Shape
from cloudd.identity.api import API
from cloudd.identity.keys import CredentialRing
from cloudd.identity.models.extensions import DomainOption
from cloudd.identity.people import domain_options, mirror
from cloudd.identity.people.domain_options import DEFAULTS, SECRET

CONFIG = Shape("config", extra=True)
GROUPS = t.Record({"config": t.Map(t.Map())})
OPTIONS = t.Record({"config": t.Map()})
"""What is answered: groups of options, or some options without their group."""
COMPLIANCE = "security_compliance"
SHOWN = ("password_regex", "password_regex_description")
domains = API.resource("/domains/{domain}/config")
defaults = API.resource("/domains/config")


def _known(group: str, option: str | None = None) -> None:
    if group not in DEFAULTS:
        raise Forbidden(f"Group {group} is not supported for domain specific configurations; there are: "
                        f"{', '.join(sorted(DEFAULTS))}.")
    if option is not None and option not in DEFAULTS[group] and option not in SECRET.get(group, ()):
        raise Forbidden(f"Option {option} in group {group} is not supported for domain specific configurations.")


def _checked(config: dict[str, Any], group: str | None = None, option: str | None = None) -> dict[str, dict[str, Any]]:
    """The groups and options sent, for one group or option only when the address names one."""
    if group is not None and option is not None:
        _known(group, option)
        if set(config) == {option}:
            config = {group: config}
    if not config or not all(isinstance(values, dict) for values in config.values()):
        raise BadRequest("No options specified: a config is an object of groups, each an object of options.")
    for name, values in config.items():
        for key in values or ("",):
            _known(name, key or None)
    if group is not None and (set(config) != {group} or (option is not None and set(config[group]) != {option})):
        raise Forbidden(f"The request is about {group}{f'/{option}' if option else ''} but its body about {', '.join(config)}.")
    return config


async def _read(tx: AsyncSession, domain_id: str) -> dict[str, dict[str, Any]]:
    return (await domain_options.read(tx, domain_id)).get(domain_id, {})


async def _write(request: Request, domain_id: str, config: dict[str, dict[str, Any]], tx: AsyncSession) -> None:
    await domain_options.write(tx, request.service(CredentialRing), domain_id, config)
    await mirror.forget(tx, domain_id)                        # whoever the directory of before had is asked for again


def _missing(domain_id: str, group: str | None = None, option: str | None = None) -> NotFound:
    what = f"option {option} in group {group}" if option else f"group {group}" if group else "any configuration"
    return NotFound(f"Could not find {what} in domain configuration for domain {domain_id}.")


def _part(config: dict[str, dict[str, Any]], domain_id: str, group: str, option: str | None = None) -> dict[str, Any]:
    if group not in config or (option is not None and option not in config[group]):
        raise _missing(domain_id, group, option)
    return {"config": {option: config[group][option]} if option else {group: config[group]}}


@domains.put("", body=CONFIG, use="create", policy="identity:create_domain_config", answer=GROUPS)
async def create(request, tx, domain, body):
    """Give a domain options of its own, in place of those that it had."""
    config, had = _checked(body), await _read(tx, domain.id)
    await tx.execute(delete(DomainOption).where(DomainOption.domain_id == domain.id))
    await _write(request, domain.id, config, tx)
    return Reply({"config": await _read(tx, domain.id)}, status=200 if had else 201)


@domains.get("", policy="identity:get_domain_config", answer=GROUPS)
async def show(tx, domain):
    """A domain's own options."""
    config = await _read(tx, domain.id)
    if not config:
        raise _missing(domain.id)
    return {"config": config}


async def _update(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    domain, group, option = request.loaded["domain"], request.path.get("section"), request.path.get("option")
    config, had = _checked(body, group, option), await _read(tx, domain.id)
    if not had:
        raise _missing(domain.id)
    if group is not None:
        _part(had, domain.id, group, option)
    await _write(request, domain.id, config, tx)
    return {"config": await _read(tx, domain.id)}


@domains.patch("", body=CONFIG, policy="identity:update_domain_config", answer=GROUPS)
async def update(request, tx, body):
    """Change some of a domain's own options."""
    return await _update(request, tx, body)


@domains.patch("/{section}", body=CONFIG, policy="identity:update_domain_config", answer=GROUPS)
async def update_group(request, tx, section, body):
    """Change some options of one group."""
    return await _update(request, tx, body)


@domains.patch("/{section}/{option}", body=CONFIG, policy="identity:update_domain_config", answer=GROUPS)
async def update_option(request, tx, section, option, body):
    """Change one option."""
    return await _update(request, tx, body)


async def _delete(tx: AsyncSession, domain_id: str, group: str | None = None, option: str | None = None) -> None:
    query = delete(DomainOption).where(DomainOption.domain_id == domain_id)
    if group is not None:
        _known(group, option)
        query = query.where(DomainOption.group == group)
    if option is not None:
        query = query.where(DomainOption.option == option)
    if not (await tx.execute(query)).rowcount:
        raise _missing(domain_id, group, option)
    await mirror.forget(tx, domain_id)


@domains.delete("", policy="identity:delete_domain_config")
async def remove(tx, domain):
    """Take all own options from a domain."""
    await _delete(tx, domain.id)


@domains.delete("/{section}", policy="identity:delete_domain_config")
async def remove_group(tx, domain, section):
    """Take the options of one group from a domain."""
    await _delete(tx, domain.id, section)


@domains.delete("/{section}/{option}", policy="identity:delete_domain_config")
async def remove_option(tx, domain, section, option):
    """Take one option from a domain."""
    await _delete(tx, domain.id, section, option)


@domains.get("/{section}", policy="identity:get_domain_config", answer=GROUPS)
async def show_group(tx, domain, section):
    """The options of one group."""
    _known(section)
    return _part(await _read(tx, domain.id), domain.id, section)


@domains.get("/{section}/{option}", policy="identity:get_domain_config", answer=OPTIONS)
async def show_option(tx, domain, section, option):
    """One option."""
    _known(section, option)
    return _part(await _read(tx, domain.id), domain.id, section, option)


def _compliance(request: Request) -> dict[str, Any]:
    """What users may know of the rules for passwords; asked of any domain, the answer is the cloud's."""
    options = getattr(request.settings, COMPLIANCE)
    return {name: getattr(options, name) or None for name in SHOWN}


@domains.get(f"/{COMPLIANCE}", policy="identity:get_security_compliance_domain_config", answer=GROUPS)
async def compliance(request, domain):
    """The rule for passwords."""
    return {"config": {COMPLIANCE: _compliance(request)}}


@domains.get(f"/{COMPLIANCE}/{{option}}", policy="identity:get_security_compliance_domain_config", answer=OPTIONS)
async def compliance_option(request, domain, option):
    """One part of the rule for passwords."""
    if option not in SHOWN:
        raise Forbidden(f"Option {option} in group {COMPLIANCE} is not shown; those that are: {', '.join(SHOWN)}.")
    return {"config": {option: _compliance(request)[option]}}


@defaults.get("/default", policy="identity:get_domain_config_default", answer=GROUPS)
async def show_defaults():
    """The default of every option."""
    return {"config": DEFAULTS}


@defaults.get("/{section}/default", policy="identity:get_domain_config_default", answer=GROUPS)
async def show_group_defaults(section):
    """The defaults of one group."""
    _known(section)
    return {"config": {section: DEFAULTS[section]}}


@defaults.get("/{section}/{option}/default", policy="identity:get_domain_config_default", answer=OPTIONS)
async def show_option_default(section, option):
    """The default of one option."""
    _known(section, option)
    if option not in DEFAULTS[section]:
        raise Forbidden(f"Option {option} in group {section} is secret.")
    return {"config": {option: DEFAULTS[section][option]}}
