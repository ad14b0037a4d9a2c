"""keystoneauth1's v3oidc plugins, unmodified, and the `openstack` command with them: every flow against a provider that has it."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from keystoneauth1 import exceptions, loading, session

from tests.api.identity.test_websso import Browser
from tests.openid_provider import CLIENT, SECRET

OPENSTACK = Path(sys.executable).with_name("openstack")
ROBOT = [{"remote": [{"type": "OIDC-sub"}, {"type": "OIDC-groups"}], "local": [{"user": {"name": "{0}"}}]},
         {"remote": [{"type": "OIDC-sub", "any_one_of": ["^client-"], "regex": True}],
          "local": [{"user": {"name": "robot"}}, {"group": {"name": "GROUP", "domain": {"id": "default"}}}]}]


def options(federated, **more):
    """What a user gives a plugin, less what only some take."""
    return {"auth_url": f"{federated.cloud.url}/identity/v3", "identity_provider": "acme", "protocol": "openid",
            "project_id": federated.project["id"], **more}


def client_options(federated, **more):
    return options(federated, client_id=CLIENT, client_secret=SECRET, discovery_endpoint=federated.idp.discovery, **more)


def enter(name, given):
    """Log in with a plugin, scoped; the token's facts. Blocks."""
    plugin = loading.get_plugin_loader(name).load_from_options(**given)
    return plugin.get_access(session.Session(auth=plugin))


async def in_thread(name, given):
    return await asyncio.to_thread(enter, name, given)


async def test_v3oidcpassword(federated):
    person = federated.person()
    given = client_options(federated, username=person.sub, password="pw", scope="openid profile")
    access = await in_thread("v3oidcpassword", given)
    assert access.project_id == federated.project["id"] and access.username == person.claims["preferred_username"]
    assert "member" in access.role_names and access.is_federated
    with pytest.raises(exceptions.ClientException):
        await in_thread("v3oidcpassword", {**given, "password": "wrong"})
    federated.idp.opaque = True
    assert (await in_thread("v3oidcpassword", given)).username == person.claims["preferred_username"]
    federated.idp.opaque = False
    with pytest.raises(exceptions.Unauthorized, match="for other"):
        await in_thread("v3oidcpassword", {**given, "client_id": "other", "client_secret": "other"})


async def test_v3oidcclientcredentials(federated):
    await federated.rules(json.loads(json.dumps(ROBOT).replace("GROUP", federated.group["name"])))
    access = await in_thread("v3oidcclientcredentials", client_options(federated))
    assert access.username == "robot" and access.project_id == federated.project["id"]
    federated.idp.opaque = True
    assert (await in_thread("v3oidcclientcredentials", client_options(federated))).username == "robot"


async def test_v3oidcaccesstoken(federated):
    person = federated.person()
    token = federated.access_token(person)
    access = await in_thread("v3oidcaccesstoken", options(federated, access_token=token))
    assert access.username == person.claims["preferred_username"] and "member" in access.role_names
    with pytest.raises(exceptions.Unauthorized):
        await in_thread("v3oidcaccesstoken", options(federated, access_token="nonsense"))


async def test_v3oidcauthcode(federated):
    """The code that a browser brought to a redirect address of the user's own; the provider wants no PKCE of a client with secret."""
    person = federated.person()
    redirect = "http://localhost:8000/back"
    query = f"response_type=code&client_id={CLIENT}&redirect_uri={redirect}&scope=openid%20profile&nonce=n"
    back = await Browser(federated, {}).at_provider(f"{federated.idp.url}/authorize?{query}", person.sub)
    code = back.partition("code=")[2].partition("&")[0]
    given = client_options(federated, code=code, redirect_uri=redirect)
    access = await in_thread("v3oidcauthcode", given)
    assert access.username == person.claims["preferred_username"] and access.project_id == federated.project["id"]
    with pytest.raises(exceptions.ClientException):
        await in_thread("v3oidcauthcode", given)


async def pending_device(idp):
    """The device that waits for somebody, once the plugin has asked for its code."""
    while True:
        waiting = [code for code in idp.codes.values() if code.user_code and code.user is None]
        if waiting:
            return waiting[0]
        await asyncio.sleep(0)


async def test_v3oidcdeviceauthz(federated):
    person = federated.person()
    login = asyncio.ensure_future(in_thread("v3oidcdeviceauthz", client_options(federated)))
    device = await asyncio.wait_for(pending_device(federated.idp), 20)
    device.user = person
    access = await asyncio.wait_for(login, 30)
    assert access.username == person.claims["preferred_username"] and access.project_id == federated.project["id"]


async def openstack(*arguments, env):
    process = await asyncio.create_subprocess_exec(
        OPENSTACK, *arguments, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **env},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


def environment(kind, given):
    return {"OS_AUTH_TYPE": kind, **{f"OS_{name.upper()}": value for name, value in given.items()}}


async def test_the_command_logs_in_by_password_token_and_client(federated):
    person = federated.person()
    password = environment("v3oidcpassword", client_options(federated, username=person.sub, password="pw"))
    status, out, err = await openstack("token", "issue", "-f", "json", env=password)
    assert status == 0, err
    assert json.loads(out)["project_id"] == federated.project["id"]
    status, out, err = await openstack("server", "list", "-f", "json", env=password)
    assert status == 0 and json.loads(out) == [], err
    token = environment("v3oidcaccesstoken", options(federated, access_token=federated.access_token(person)))
    status, out, err = await openstack("federation", "project", "list", "-f", "json", env=token)
    assert status == 0, err
    assert [row["ID"] for row in json.loads(out)] == [federated.project["id"]]
    wrong = {**password, "OS_PASSWORD": "wrong"}
    assert (await openstack("token", "issue", env=wrong))[0] == 1


async def test_the_command_waits_for_a_device_login(federated):
    person = federated.person()
    env = environment("v3oidcdeviceauthz", client_options(federated))
    login = asyncio.ensure_future(openstack("token", "issue", "-f", "json", env=env))
    device = await asyncio.wait_for(pending_device(federated.idp), 40)
    device.user = person
    status, out, err = await login
    assert status == 0, err
    assert json.loads(out)["project_id"] == federated.project["id"] and f"/activate?user_code={device.user_code}" in err


async def test_the_command_manages_providers_mappings_and_protocols(federated, tmp_path):
    admin = {"OS_AUTH_TYPE": "v3token", "OS_AUTH_URL": f"{federated.cloud.url}/identity/v3",
             "OS_TOKEN": federated.cloud.admin.headers["X-Auth-Token"],
             "OS_PROJECT_NAME": "admin", "OS_PROJECT_DOMAIN_ID": "default"}
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps(ROBOT))
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps([{"remote": [{"type": "A"}], "local": [{"user": {"name": "{1}"}}]}]))

    async def run(line, *more, fails=False):
        status, out, err = await openstack(*line.split(), *more, env=admin)
        assert (status != 0) == fails, err
        return err if fails else out
    await run("identity provider create cli --remote-id https://cli.example --authorization-ttl 5")
    shown = json.loads(await run("mapping create cli --schema-version 2.0 -f json --rules", str(rules)))
    assert shown["id"] == "cli"
    assert "gives 1 values" in await run("mapping create worse --rules", str(wrong), fails=True)
    assert "gives 1 values" in await run("mapping set cli --rules", str(wrong), fails=True)
    assert json.loads(await run("mapping show cli -f json"))["rules"] == ROBOT
    await run("federation protocol create openid --identity-provider cli --mapping cli")
    assert "openid" in await run("federation protocol list --identity-provider cli")
    await run("identity provider set cli --disable")
    await run("identity provider delete cli")
    await run("mapping delete cli")
