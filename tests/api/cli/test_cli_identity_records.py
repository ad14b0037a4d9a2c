"""`openstack` commands of plain identity records: each is made, shown, listed, changed and deleted, and every column is looked at."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from openstack_cli import Cli

ANY = object()
RULES = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "REMOTE_USER"}]}]
NEW_RULES = [{"local": [{"group": {"id": "0" * 32}}], "remote": [{"type": "OIDC-groups", "any_one_of": ["staff"]}]}]
FILES = {"rules": RULES, "new_rules": NEW_RULES, "filters": {"interface": "public"}, "new_filters": {"interface": "admin"},
         "ids": "https://one.example\nhttps://two.example"}


@dataclass(frozen=True)
class Record:
    """The commands of one kind of record. `shown`: all that `create` and `show` print; ANY stands for what differs each time.

    `{name}` is a new name, `{id}` what `create` printed as `key`, the rest are files (FILES) and ids of what is there.
    """

    create: str
    show: str
    list: str
    set: str
    delete: str
    shown: dict[str, Any]
    row: dict[str, Any]                        # its row in the list, whole
    changed: dict[str, Any]
    key: str = "id"
    made: dict[str, Any] = field(default_factory=dict)         # what `create` prints and `show` does not


RECORDS = [
    Record("region create --description one --parent-region RegionOne {name}", "region show {id}", "region list",
           "region set --description two {id}", "region delete {id}", key="region",
           shown={"region": "{name}", "description": "one", "parent_region": "RegionOne"},
           row={"Region": "{name}", "Parent Region": "RegionOne", "Description": "one"}, changed={"description": "two"}),
    Record("service create --name {name} --description one --disable telling", "service show {id}", "service list --long",
           "service set --name {name}-new --type saying --description two --enable {id}", "service delete {id}",
           shown={"id": ANY, "name": "{name}", "type": "telling", "enabled": False, "description": "one"},
           row={"ID": "{id}", "Name": "{name}", "Type": "telling", "Enabled": False, "Description": "one"},
           changed={"name": "{name}-new", "type": "saying", "enabled": True, "description": "two"}),
    Record("endpoint create --region RegionOne --disable image internal http://one.example/$(project_id)s", "endpoint show {id}",
           "endpoint list", "endpoint set --interface admin --url http://two.example --service identity --enable {id}",
           "endpoint delete {id}",
           shown={"id": ANY, "region": "RegionOne", "region_id": "RegionOne", "interface": "internal", "enabled": False,
                  "url": "http://one.example/$(project_id)s", "service_id": ANY, "service_name": "glance", "service_type": "image"},
           row={"ID": "{id}", "Region": "RegionOne", "Service Name": "glance", "Service Type": "image", "Enabled": False,
                "Interface": "internal", "URL": "http://one.example/$(project_id)s"},
           changed={"interface": "admin", "url": "http://two.example", "enabled": True, "service_type": "identity",
                    "service_name": "keystone", "service_id": ANY}),
    Record("endpoint group create --description one {name} {filters}", "endpoint group show {id}", "endpoint group list",
           "endpoint group set --name {name}-new --description two --filters {new_filters} {id}", "endpoint group delete {id}",
           shown={"id": ANY, "name": "{name}", "description": "one", "filters": {"interface": "public"}},
           row={"ID": "{id}", "Name": "{name}", "Description": "one"},
           changed={"name": "{name}-new", "description": "two", "filters": {"interface": "admin"}}),
    Record("policy create --type text/plain {ids}", "policy show {id}", "policy list --long",
           "policy set --type application/json --rules {filters} {id}", "policy delete {id}",
           shown={"id": ANY, "type": "text/plain", "rules": FILES["ids"]},
           row={"ID": "{id}", "Type": "text/plain", "Rules": FILES["ids"]},
           changed={"type": "application/json", "rules": json.dumps(FILES["filters"])}),
    Record("role create --description one --domain default {name}", "role show --domain default {name}", "role list --domain default",
           "role set --description two --domain default {name}", "role delete {id}",
           shown={"id": ANY, "name": "{name}", "domain_id": "default", "description": "one"},
           row={"ID": "{id}", "Name": "{name}", "Domain": "Default"}, changed={"description": "two"}),
    Record("group create --description one {name}", "group show {id}", "group list --long",
           "group set --description two --name {name}-new {id}", "group delete {id}",
           shown={"id": ANY, "name": "{name}", "domain_id": "default", "description": "one"},
           row={"ID": "{id}", "Name": "{name}", "Domain ID": "default", "Description": "one"},
           changed={"description": "two", "name": "{name}-new"}),
    Record("domain create --description one --disable {name}", "domain show {name}", "domain list",
           "domain set --description two {name}", "domain delete {name}",
           shown={"id": ANY, "name": "{name}", "enabled": False, "description": "one", "options": {}},
           row={"ID": "{id}", "Name": "{name}", "Enabled": False, "Description": "one"}, changed={"description": "two"}),
    Record("project create --description one --disable {name}", "project show {id}", "project list --long",
           "project set --description two --tag blue {id}", "project delete {id}",
           shown={"id": ANY, "name": "{name}", "domain_id": "default", "description": "one", "enabled": False, "tags": [],
                  "is_domain": False, "parent_id": "default", "options": {}},
           row={"ID": "{id}", "Name": "{name}", "Domain ID": "default", "Description": "one", "Enabled": False},
           changed={"description": "two", "tags": ["blue"]}),
    Record("user create --email a@b.example --description one --disable {name}", "user show {id}", "user list --long",
           "user set --email c@d.example --description two --enable-multi-factor-auth --multi-factor-auth-rule password,totp {id}",
           "user delete {id}",
           shown={"id": ANY, "name": "{name}", "domain_id": "default", "description": "one", "enabled": False, "options": {},
                  "email": "a@b.example", "default_project_id": None, "password_expires_at": None},
           row={"ID": "{id}", "Name": "{name}", "Project": None, "Domain": "default", "Description": "one",
                "Email": "a@b.example", "Enabled": False},
           changed={"description": "two", "email": "c@d.example",
                    "options": {"multi_factor_auth_enabled": True, "multi_factor_auth_rules": [["password", "totp"]]}}),
    Record("consumer create --description one", "consumer show {id}", "consumer list", "consumer set --description two {id}",
           "consumer delete {id}", made={"secret": ANY}, shown={"id": ANY, "description": "one"},
           row={"ID": "{id}", "Description": "one"}, changed={"description": "two"}),
    Record("credential create --type cert --project demo demo one", "credential show {id}", "credential list --type cert",
           "credential set --type text --user demo --data two {id}", "credential delete {id}",
           shown={"id": ANY, "type": "cert", "blob": "one", "user_id": "{demo_user}", "project_id": "{demo_project}"},
           row={"ID": "{id}", "Type": "cert", "User ID": "{demo_user}", "Data": "one", "Project ID": "{demo_project}"},
           changed={"type": "text", "blob": "two"}),
    Record("identity provider create --remote-id-file {ids} --description one --disable --authorization-ttl 5 {name}",
           "identity provider show {id}", "identity provider list",
           "identity provider set --description two --enable --remote-id https://three.example --authorization-ttl 7 {id}",
           "identity provider delete {id}",
           shown={"id": "{name}", "description": "one", "enabled": False, "authorization_ttl": 5, "domain_id": ANY,
                  "remote_ids": ["https://one.example", "https://two.example"]},
           row={"ID": "{name}", "Enabled": False, "Domain ID": ANY, "Description": "one"},
           changed={"description": "two", "enabled": True, "authorization_ttl": 7, "remote_ids": ["https://three.example"]}),
    Record("mapping create --rules {rules} --schema-version 1.0 {name}", "mapping show {id}", "mapping list",
           "mapping set --rules {new_rules} {id}", "mapping delete {id}",
           shown={"id": "{name}", "rules": RULES, "schema_version": "1.0"}, row={"ID": "{name}", "schema_version": "1.0"},
           changed={"rules": NEW_RULES}),
    Record("service provider create --auth-url http://sp.example/auth --service-provider-url http://sp.example/ecp "
           "--description one --disable {name}", "service provider show {id}", "service provider list",
           "service provider set --auth-url http://new.example/auth --service-provider-url http://new.example/ecp "
           "--description two --enable {id}", "service provider delete {id}",
           shown={"id": "{name}", "enabled": False, "description": "one", "auth_url": "http://sp.example/auth",
                  "sp_url": "http://sp.example/ecp", "relay_state_prefix": "ss:mem:"},
           row={"ID": "{name}", "Enabled": False, "Description": "one", "Auth URL": "http://sp.example/auth",
                "Service Provider URL": "http://sp.example/ecp", "Relay State Prefix": "ss:mem:"},
           changed={"enabled": True, "description": "two", "auth_url": "http://new.example/auth", "sp_url": "http://new.example/ecp"}),
    Record("registered limit create --description one --service image --region RegionOne --default-limit 10 {name}",
           "registered limit show {id}", "registered limit list --service image",
           "registered limit set --description two --default-limit 20 --resource-name {name}-new {id}", "registered limit delete {id}",
           shown={"id": ANY, "service_id": "{image}", "region_id": "RegionOne", "resource_name": "{name}", "default_limit": 10,
                  "description": "one"},
           row={"ID": "{id}", "Service ID": "{image}", "Resource Name": "{name}", "Default Limit": 10, "Description": "one",
                "Region ID": "RegionOne"},
           changed={"description": "two", "default_limit": 20, "resource_name": "{name}-new"}),
]


@pytest.fixture(scope="module")
def there(admin: Cli, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What commands name: files and ids."""
    directory = tmp_path_factory.mktemp("cli-records")
    paths = {name: str(directory / name) for name in FILES}
    for name, content in FILES.items():
        Path(paths[name]).write_text(content if isinstance(content, str) else json.dumps(content))
    return paths | {"demo_user": admin.value("user show demo", "id"), "demo_project": admin.value("project show demo", "id"),
                    "image": admin.value("service show image", "id")}


def filled(value: Any, names: dict[str, str]) -> Any:
    """The same with every `{word}` that we know replaced; other braces stay."""
    if isinstance(value, dict):
        return {key: filled(each, names) for key, each in value.items()}
    if isinstance(value, str):
        for word, replacement in names.items():
            value = value.replace("{" + word + "}", replacement)
    return value


def check(printed: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(printed) == set(expected)
    for column, value in expected.items():
        assert value is ANY or (sorted(printed[column]) if column == "remote_ids" else printed[column]) == value, column


@pytest.mark.parametrize("record", RECORDS, ids=[record.create.split(" create")[0].replace(" ", "-") for record in RECORDS])
def test_a_record_is_made_shown_listed_changed_and_deleted(record: Record, admin: Cli, name: str, there: dict[str, str],
                                                           later: Callable[..., None]) -> None:
    names = there | {"name": name}
    shown = filled(record.shown, names)
    made = admin.json(filled(record.create, names))
    check(made, shown | record.made)
    names["id"] = made[record.key]
    later(admin, filled(record.delete, names))
    check(admin.json(filled(record.show, names)), shown)
    check(only(admin.json(filled(record.list, names)), filled(record.row, names)), filled(record.row, names))
    admin(filled(record.set, names))
    check(admin.json(filled(record.show, names)), shown | filled(record.changed, names))
    admin(filled(record.delete, names))
    assert any(word in admin.fails(filled(record.show, names)) for word in ("404", "found", "No "))
    assert not matching(admin.json(filled(record.list, names)), filled(record.row, names))


def matching(rows: list[dict[str, Any]], expected: dict[str, Any]) -> list[dict[str, Any]]:
    key = next(iter(expected))
    return [row for row in rows if row[key] == expected[key]]


def only(rows: list[dict[str, Any]], expected: dict[str, Any]) -> dict[str, Any]:
    found = matching(rows, expected)
    assert len(found) == 1
    return found[0]
