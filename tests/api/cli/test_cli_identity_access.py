"""`openstack` commands about who may come in: tokens, application credentials, trusts, EC2 keys, OAuth, second factors, and the
ways to log in that keystoneauth has for them."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from openstack_cli import Cli

from cloudd.identity.tokens import totp

Later = Callable[..., None]
Login = Callable[..., Cli]
RULES = [{"service": "identity", "method": "GET", "path": "/v3/users/*"}, {"service": "network", "method": "GET", "path": "/v2.0/**"}]
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture
def login(state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Login:
    """`login("v3token", token=...)`: the command of somebody who logs in this way; `cloud`: options beside `auth`."""
    content = yaml.safe_load((state_dir / "clouds.yaml").read_text())
    base = content["clouds"]["admin"]
    path = tmp_path / "clouds.yaml"

    def other(auth_type: str, cloud: dict[str, Any] | None = None, **auth: str) -> Cli:
        name = f"other-{len(content['clouds'])}"
        content["clouds"][name] = {**base, "auth_type": auth_type, **(cloud or {}),
                                   "auth": {"auth_url": base["auth"]["auth_url"], **auth}}
        path.write_text(yaml.safe_dump(content))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
        return Cli(name)

    return other


@pytest.fixture
def person(admin: Cli, name: str, later: Later) -> dict[str, str]:
    """A user with the role member in a project of the same name, as options of a login."""
    project = admin.value("project create", "id", name)
    later(admin, "project delete", project)
    user = admin.value("user create --password first-Secret1", "id", name)
    later(admin, "user delete", user)
    admin("role add member", "--project", project, "--user", user)
    return {"user_id": user, "project_id": project}


def by_password(login: Login, person: dict[str, str], password: str = "first-Secret1") -> Cli:
    return login("v3password", password=password, **person)


def test_tokens(login: Login, person: dict[str, str], admin: Cli) -> None:
    token = by_password(login, person).json("token issue")
    assert (token["user_id"], token["project_id"]) == (person["user_id"], person["project_id"])
    assert datetime.strptime(token["expires"], "%Y-%m-%dT%H:%M:%S%z") > datetime.now(UTC)
    holder = login("v3token", token=token["id"], project_id=person["project_id"])
    again = holder.json("token issue")
    assert again["id"] != token["id"] and again["expires"] == token["expires"]
    assert login("v3token", token=token["id"]).json("token issue").keys() == {"id", "expires", "user_id"}
    admin("token revoke", token["id"])
    assert "404" in holder.fails("token issue")


@pytest.mark.parametrize("scope, column", [({"system_scope": "all"}, "system"), ({"domain_id": "default"}, "domain_id")])
def test_scopes(scope: dict[str, str], column: str, login: Login, person: dict[str, str], admin: Cli) -> None:
    admin("role add reader", "--user", person["user_id"], *(["--system", "all"] if column == "system" else ["--domain", "default"]))
    token = login("v3password", user_id=person["user_id"], password="first-Secret1", **scope).json("token issue")
    assert token.keys() == {"id", "expires", "user_id", column} and token[column] in ("all", "default")


def test_user_password_set(login: Login, person: dict[str, str]) -> None:
    user = by_password(login, person)
    assert "401" in user.fails("user password set --password other-Secret1 --original-password wrong")
    user("user password set --password other-Secret1 --original-password first-Secret1")
    assert "401" in user.fails("token issue")
    assert by_password(login, person, "other-Secret1").json("token issue")["user_id"] == person["user_id"]


def test_application_credential(login: Login, person: dict[str, str], admin: Cli, name: str) -> None:
    user = by_password(login, person)
    made = user.json("application credential create --role member --description one --expiration 2099-01-01T00:00:00 --secret hidden",
                     name)
    assert {key: value for key, value in made.items() if key != "ID"} == {
        "Name": name, "Description": "one", "Project ID": person["project_id"], "Unrestricted": False, "Access Rules": [],
        "Expires At": "2099-01-01T00:00:00.000000", "Secret": "hidden", "Roles": made["Roles"]}
    assert [role["name"] for role in made["Roles"]] == ["member"]
    del made["Secret"]
    made["Access Rules"] = None                                 # what is printed first is what was sent
    assert user.json("application credential show", name) == made
    assert user.json("application credential list") == [made]
    assert admin.json("application credential list --user", name) == [made]
    holder = login("v3applicationcredential", application_credential_id=made["ID"], application_credential_secret="hidden")
    assert holder.json("token issue")["project_id"] == person["project_id"]
    assert "403" in holder.fails("application credential create more")
    client = login("v3oauth2clientcredential", oauth2_client_id=made["ID"], oauth2_client_secret="hidden",
                   oauth2_endpoint=endpoint(admin) + "/v3/OS-OAUTH2/token")
    assert [row["Name"] for row in client.json("catalog list") if row["Type"] == "identity"]
    user("application credential delete", name)
    assert user.json("application credential list") == []
    assert "401" in holder.fails("token issue")


def endpoint(admin: Cli) -> str:
    return admin.json("endpoint list --service identity --interface public")[0]["URL"].removesuffix("/v3")


def test_access_rules(login: Login, person: dict[str, str], admin: Cli, name: str) -> None:
    user = by_password(login, person)
    made = user.json("application credential create", name, "--access-rules", json.dumps(RULES))
    rules = {rule.pop("id"): rule for rule in made["Access Rules"]}
    assert sorted(rules.values(), key=str) == sorted(RULES, key=str)
    expected = [{"ID": rule_id, "Service": rule["service"], "Method": rule["method"], "Path": rule["path"]}
                for rule_id, rule in rules.items()]
    assert sorted(user.json("access rule list"), key=str) == sorted(expected, key=str)
    assert user.json("access rule show", expected[0]["ID"]) == expected[0]
    holder = login("v3applicationcredential", application_credential_id=made["ID"],
                   application_credential_secret=made["Secret"])
    assert holder.json("network list") is not None
    assert "401" in holder.fails("server list") or "403" in holder.fails("server list")
    assert "of 1" in user.fails("access rule delete", expected[0]["ID"]), "in use"
    user("application credential delete", name)
    user("access rule delete", *rules)
    assert user.json("access rule list") == []
    assert "No AccessRule found" in user.fails("access rule show", expected[0]["ID"])


def test_trusts(login: Login, person: dict[str, str], admin: Cli, demo: Cli, name: str) -> None:
    trustor, trustee = by_password(login, person), demo.json("token issue")["user_id"]
    member = admin.value("role show member", "id")
    made = trustor.json("trust create --impersonate --expiration 2099-01-01T00:00:00", "--project", person["project_id"],
                        "--role", member, person["user_id"], trustee)
    assert [role["id"] for role in made.pop("roles")] == [member]
    assert made == {"id": made["id"], "is_impersonation": True, "expires_at": "2099-01-01T00:00:00.000000Z", "redelegation_count": 0,
                    "project_id": person["project_id"], "redelegated_trust_id": None, "remaining_uses": None,
                    "trustee_user_id": trustee, "trustor_user_id": person["user_id"]}
    shown = trustor.json("trust show", made["id"])
    del shown["roles"]
    assert shown == made
    row = {"ID": made["id"], "Expires At": made["expires_at"], "Impersonation": True, "Project ID": person["project_id"],
           "Trustee User ID": trustee, "Trustor User ID": person["user_id"]}
    assert row in admin.json("trust list") and admin.json("trust list --trustor", name) == [row]
    assert trustor.json("trust list --auth-user") == [row]
    with_trust = login("v3token", token=demo.value("token issue", "id"), trust_id=made["id"])
    token = with_trust.json("token issue")
    assert (token["user_id"], token["project_id"]) == (person["user_id"], person["project_id"])
    trustor("trust delete", made["id"])
    assert row not in admin.json("trust list")
    assert "No Trust found" in admin.fails("trust show", made["id"])
    assert with_trust.fails("token issue")


def test_ec2_credentials(login: Login, person: dict[str, str], admin: Cli, name: str) -> None:
    user = by_password(login, person)
    made = user.json("ec2 credentials create")
    assert made["user_id"] == person["user_id"] and made["project_id"] == person["project_id"] and made["trust_id"] is None
    assert len(made["access"]) == 32 and len(made["secret"]) == 32
    shown = user.json("ec2 credentials show", made["access"])
    assert {key: shown[key] for key in ("access", "secret", "user_id", "project_id")} == \
        {key: made[key] for key in ("access", "secret", "user_id", "project_id")}
    row = {"Access": made["access"], "Secret": made["secret"], "Project ID": person["project_id"], "User ID": person["user_id"]}
    assert user.json("ec2 credentials list") == [row] == admin.json("ec2 credentials list --user", name)
    user("ec2 credentials delete", made["access"])
    assert user.json("ec2 credentials list") == []
    assert "404" in user.fails("ec2 credentials show", made["access"])


def test_oauth(login: Login, admin: Cli, later: Later) -> None:
    own = admin.json("token issue")
    consumer = admin.json("consumer create")
    later(admin, "consumer delete", consumer["id"])
    keys = ("--consumer-key", consumer["id"], "--consumer-secret", consumer["secret"])
    asked = admin.json("request token create", *keys, "--project", own["project_id"])
    assert asked.keys() == {"id", "key", "secret", "expires"} and asked["id"] == asked["key"]
    pin = admin.json("request token authorize --role member", "--request-key", asked["key"])
    assert pin.keys() == {"oauth_verifier"}
    given = admin.json("access token create", *keys, "--request-key", asked["key"], "--request-secret", asked["secret"],
                       "--verifier", pin["oauth_verifier"])
    assert given.keys() == {"id", "key", "secret", "expires"} and given["key"] != asked["key"]
    client = login("v3oauth1", auth_url=f"{endpoint(admin)}/v3", consumer_key=consumer["id"],
                   consumer_secret=consumer["secret"], access_key=given["key"],
                   access_secret=given["secret"])
    token = client.json("token issue")
    assert (token["user_id"], token["project_id"]) == (own["user_id"], own["project_id"])


def passcode(admin: Cli, person: dict[str, str]) -> str:
    """What the device of somebody who has one from now on shows at this moment."""
    admin("credential create --type totp", person["user_id"], SEED)
    return totp.passcode(SEED, int(time.time()) // totp.STEP)


def test_a_passcode_is_good_once(login: Login, person: dict[str, str], admin: Cli) -> None:
    user = login("v3totp", passcode=passcode(admin, person), **person)
    assert user.json("token issue")["user_id"] == person["user_id"]
    assert "401" in user.fails("token issue")


def test_two_factors(login: Login, person: dict[str, str], admin: Cli) -> None:
    admin("user set --enable-multi-factor-auth --multi-factor-auth-rule password,totp", person["user_id"])
    assert "Not all required auth rules" in by_password(login, person).fails("token issue")
    both = login("v3multifactor", {"auth_methods": ["v3password", "v3totp"]}, password="first-Secret1",
                 passcode=passcode(admin, person), **person)
    assert both.json("token issue")["project_id"] == person["project_id"]


def test_what_a_credential_is_may_change_but_for_ec2(admin: Cli, demo: Cli, later: Later) -> None:
    credential = admin.value("credential create --type cert demo one", "id")
    later(admin, "credential delete", credential)
    demo("credential set --type text --data two --user", demo.json("token issue")["user_id"], credential)
    shown = demo.json("credential show", credential)
    assert (shown["type"], shown["blob"]) == ("text", "two")
    assert "an ec2 credential's blob" in admin.fails("credential set --user demo --type ec2 --data {}", credential)
    key = demo.value("ec2 credentials create", "access")
    later(demo, "ec2 credentials delete", key)
    own = next(row["ID"] for row in demo.json("credential list --type ec2") if key in row["Data"])
    assert "of an ec2 credential" in admin.fails("credential set --user demo --type cert --data {}", own)
