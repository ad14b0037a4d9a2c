"""A domain whose users and groups come from an LDAP directory: a real slapd."""

import asyncio
import contextlib
import dataclasses
import hashlib
import uuid

import pytest
from sqlalchemy import select

from cloudd.identity.models.extensions import DomainOption
from tests import postgres, slapd
from tests.api.conftest import PASSWORD, Client, free_port, make_settings, run_cloud
from tests.api.identity.test_projects import V3, make, refused

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMTWrYcJjcvIE6fbjOkkXAYQcNBzOvFFXqWdhRVlvRmZ alice"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    with slapd.server(tmp_path_factory.mktemp("slapd"), free_port(), free_port()) as running:
        running.alice = running.person("alice", "alice-pass", description="First")
        running.bob = running.person("bob", "bob-pass", employeeType="FALSE")
        running.carol = running.person("carol", "carol-pass")
        running.staff = running.party("staff", running.alice, running.bob)
        yield running


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def cloud(request, tmp_path_factory):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgres.server()) if request.param == "postgresql" else None
        settings = make_settings(tmp_path_factory.mktemp("ldap"), url=server.create("ldap") if server else "")
        async for running in run_cloud(dataclasses.replace(settings, identity=dataclasses.replace(settings.identity, directory_cache=0))):
            yield running


@pytest.fixture
async def domain(cloud, directory):
    """A new domain over the directory, with a project; closed at the end, so that lists ask it no more."""
    made = await make(cloud, "domain", name=f"ldap-{uuid.uuid4().hex[:8]}")
    await configure(cloud, made["id"], slapd.options(directory))
    yield made["id"]
    await cloud.admin.delete(f"{V3}/domains/{made['id']}/config")


async def configure(cloud, domain_id, options):
    answer = await cloud.admin.put(f"{V3}/domains/{domain_id}/config", {"config": {"identity": {"driver": "ldap"}, "ldap": options}})
    assert answer.status in (200, 201), answer.content
    assert "password" not in answer.body["config"]["ldap"]


def public_id(domain_id, kind, key):
    return hashlib.sha256(f"{domain_id}{kind}{key}".encode()).hexdigest()


async def log_in(cloud, domain_id, name, password, scope=None):
    identity = {"methods": ["password"], "password": {"user": {"name": name, "domain": {"id": domain_id}, "password": password}}}
    auth = {"identity": identity, **({"scope": scope} if scope else {})}
    return await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": auth})


def caller(cloud, answer):
    assert answer.status == 201, answer.content
    return Client(cloud.url, cloud.session, {"X-Auth-Token": answer.headers["X-Subject-Token"]})


async def role_id(cloud, name):
    return (await cloud.admin.get(f"{V3}/roles?name={name}")).body["roles"][0]["id"]


async def test_users_are_listed_and_shown_as_keystone_does(cloud, domain):
    listed = (await cloud.admin.get(f"{V3}/users?domain_id={domain}")).body["users"]
    assert {user["name"] for user in listed} == {"alice", "bob", "carol"}
    alice = next(user for user in listed if user["name"] == "alice")
    key = public_id(domain, "user", "alice")
    assert alice == {"id": key, "name": "alice", "domain_id": domain, "enabled": True, "email": "alice@example.org",
                     "description": "First", "options": {}, "password_expires_at": None,
                     "links": {"self": f"{cloud.url}{V3}/users/{key}"}}
    assert (await cloud.admin.get(f"{V3}/users/{key}")).body["user"] == alice
    named = (await cloud.admin.get(f"{V3}/users?domain_id={domain}&name=bob")).body["users"]
    assert [user["enabled"] for user in named] == [False]
    off = (await cloud.admin.get(f"{V3}/users?domain_id={domain}&enabled=false")).body["users"]
    assert [user["name"] for user in off] == ["bob"]
    everywhere = {user["name"] for user in (await cloud.admin.get(f"{V3}/users")).body["users"]}
    assert everywhere >= {"alice", "admin", "tester"}


async def test_groups_and_who_is_in_them(cloud, domain):
    group, alice = public_id(domain, "group", "staff"), public_id(domain, "user", "alice")
    listed = (await cloud.admin.get(f"{V3}/groups?domain_id={domain}")).body["groups"]
    assert [(each["id"], each["name"], each["description"]) for each in listed] == [(group, "staff", "Team staff")]
    users = (await cloud.admin.get(f"{V3}/groups/{group}/users")).body["users"]
    assert {user["name"] for user in users} == {"alice", "bob"}
    groups = (await cloud.admin.get(f"{V3}/users/{alice}/groups")).body["groups"]
    assert [each["id"] for each in groups] == [group]
    assert (await cloud.admin.get(f"{V3}/groups/{group}/users/{alice}")).status == 204
    carol = public_id(domain, "user", "carol")
    assert (await cloud.admin.get(f"{V3}/groups/{group}/users/{carol}")).status == 404
    assert [each["id"] for each in (await cloud.admin.get(f"{V3}/groups?domain_id={domain}&name=staff")).body["groups"]] == [group]


async def test_a_login_is_a_bind(cloud, domain):
    """Never one without a password, which any directory takes for anonymous (CVE-2013-2157); who is FALSE in a text of the directory
    is disabled (CVE-2026-40683); names are no filters."""
    token = (await log_in(cloud, domain, "alice", "alice-pass")).body["token"]
    assert token["user"] == {"id": public_id(domain, "user", "alice"), "name": "alice", "password_expires_at": None,
                             "domain": token["user"]["domain"]} and token["user"]["domain"]["id"] == domain
    for name, password in (("alice", "wrong"), ("alice", ""), ("nobody", "alice-pass"), ("nobody", ""), ("ALICE", "alice-pass"),
                           ("*", "alice-pass"), ("alice)(uid=*", "alice-pass"), ("bob", "bob-pass")):
        await refused(await log_in(cloud, domain, name, password), 401, "requires authentication")


async def test_roles_of_users_and_of_their_groups(cloud, directory, domain):
    project = (await make(cloud, "project", domain_id=domain))["id"]
    scope = {"project": {"id": project}}
    assert (await log_in(cloud, domain, "alice", "alice-pass", scope)).status == 401
    reader, member = await role_id(cloud, "reader"), await role_id(cloud, "member")
    group, carol = public_id(domain, "group", "staff"), public_id(domain, "user", "carol")
    await cloud.admin.get(f"{V3}/users?domain_id={domain}")
    assert (await cloud.admin.put(f"{V3}/projects/{project}/groups/{group}/roles/{member}")).status == 204
    assert (await cloud.admin.put(f"{V3}/projects/{project}/users/{carol}/roles/{reader}")).status == 204
    alice = await log_in(cloud, domain, "alice", "alice-pass", scope)
    assert {role["name"] for role in alice.body["token"]["roles"]} == {"member", "reader"}
    named = await cloud.admin.get(f"{V3}/role_assignments?scope.project.id={project}&effective&include_names")
    assert {(each["user"]["name"], each["role"]["name"]) for each in named.body["role_assignments"]} == {
        ("alice", "member"), ("alice", "reader"), ("bob", "member"), ("bob", "reader"), ("carol", "reader")}
    assert (await cloud.admin.get(f"{V3}/projects/{project}/users/{carol}/roles")).body["roles"][0]["name"] == "reader"
    token = caller(cloud, alice)
    assert (await token.get(f"{V3}/auth/projects")).body["projects"][0]["id"] == project
    directory.change(directory.staff, member=[directory.bob])                      # out of the group: out of the project
    assert (await token.get(f"{V3}/auth/projects")).status == 401
    directory.change(directory.staff, member=[directory.alice, directory.bob])
    assert (await log_in(cloud, domain, "alice", "alice-pass", scope)).status == 201


async def test_nothing_is_written(cloud, domain):
    await cloud.admin.get(f"{V3}/users?domain_id={domain}")
    group, alice = public_id(domain, "group", "staff"), public_id(domain, "user", "alice")
    carol = public_id(domain, "user", "carol")
    await refused(await cloud.admin.post(f"{V3}/users", {"user": {"name": "new", "domain_id": domain}}), 403, "read-only")
    await refused(await cloud.admin.post(f"{V3}/groups", {"group": {"name": "new", "domain_id": domain}}), 403, "read-only")
    await refused(await cloud.admin.patch(f"{V3}/users/{alice}", {"user": {"enabled": False}}), 403, "read-only")
    await refused(await cloud.admin.patch(f"{V3}/groups/{group}", {"group": {"name": "x"}}), 403, "read-only")
    await refused(await cloud.admin.delete(f"{V3}/users/{alice}"), 403, "read-only")
    await refused(await cloud.admin.delete(f"{V3}/groups/{group}"), 403, "read-only")
    await refused(await cloud.admin.put(f"{V3}/groups/{group}/users/{carol}"), 403, "read-only")
    await refused(await cloud.admin.delete(f"{V3}/groups/{group}/users/{alice}"), 403, "read-only")
    own = (await make(cloud, "group"))["id"]
    await refused(await cloud.admin.put(f"{V3}/groups/{own}/users/{alice}"), 403, "backend boundaries")
    change = {"user": {"original_password": "alice-pass", "password": "another"}}
    await refused(await cloud.anonymous.post(f"{V3}/users/{alice}/password", change), 403, "read-only")
    change["user"]["original_password"] = "wrong"
    await refused(await cloud.anonymous.post(f"{V3}/users/{alice}/password", change), 401)


async def test_who_is_gone_or_disabled_there_is_out_here(cloud, directory, domain):
    dn = directory.person("dave", "dave-pass")
    first = await log_in(cloud, domain, "dave", "dave-pass")
    token, key = caller(cloud, first), first.body["token"]["user"]["id"]
    project, reader = (await make(cloud, "project", domain_id=domain))["id"], await role_id(cloud, "reader")
    await cloud.admin.put(f"{V3}/projects/{project}/users/{key}/roles/{reader}")
    assert (await token.get(f"{V3}/auth/projects")).status == 200
    directory.change(dn, employeeType="FALSE")
    assert (await token.get(f"{V3}/auth/projects")).status == 401
    assert (await log_in(cloud, domain, "dave", "dave-pass")).status == 401
    directory.change(dn, employeeType="TRUE")
    token = caller(cloud, await log_in(cloud, domain, "dave", "dave-pass"))
    assert (await token.get(f"{V3}/auth/projects")).status == 200
    directory.remove(dn)
    assert (await token.get(f"{V3}/auth/projects")).status == 401
    assert (await cloud.admin.get(f"{V3}/users/{key}")).status == 404
    assert (await log_in(cloud, domain, "dave", "dave-pass")).status == 401
    directory.person("dave", "new-pass")                                          # the same id: what was granted holds again
    scope = {"project": {"id": project}}
    assert (await log_in(cloud, domain, "dave", "new-pass", scope)).status == 201
    directory.remove(dn)
    assert "dave" not in {user["name"] for user in (await cloud.admin.get(f"{V3}/users?domain_id={domain}")).body["users"]}


async def test_trusts_and_application_credentials_end_with_their_user(cloud, directory, domain):
    dn = directory.person("erin", "erin-pass")
    key = (await log_in(cloud, domain, "erin", "erin-pass")).body["token"]["user"]["id"]
    project, member = (await make(cloud, "project", domain_id=domain))["id"], await role_id(cloud, "member")
    await cloud.admin.put(f"{V3}/projects/{project}/users/{key}/roles/{member}")
    scope = {"project": {"id": project}}
    erin = caller(cloud, await log_in(cloud, domain, "erin", "erin-pass", scope))
    made = await erin.post(f"{V3}/users/{key}/application_credentials", {"application_credential": {"name": "c"}})
    secret = made.body["application_credential"]
    auth = {"identity": {"methods": ["application_credential"], "application_credential": {
        "id": secret["id"], "secret": secret["secret"]}}}
    assert (await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": auth})).status == 201
    trustee = await make(cloud, "user", password=PASSWORD)
    trust = (await erin.post(f"{V3}/OS-TRUST/trusts", {"trust": {
        "trustor_user_id": key, "trustee_user_id": trustee["id"], "project_id": project, "impersonation": False,
        "roles": [{"name": "member"}]}})).body["trust"]
    through = caller(cloud, await log_in(cloud, "default", trustee["name"], PASSWORD, {"OS-TRUST:trust": {"id": trust["id"]}}))
    assert (await through.get(f"{V3}/auth/catalog")).status == 200
    directory.remove(dn)
    assert (await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": auth})).status == 401
    assert (await through.get(f"{V3}/auth/catalog")).status == 401


async def test_names_that_move_between_entries(cloud, directory, domain):
    one, two = directory.person("u1", "p", cn="left"), directory.person("u2", "p", cn="right")
    listing = f"{V3}/users?domain_id={domain}"

    async def named():
        return {user["id"]: user["name"] for user in (await cloud.admin.get(listing)).body["users"]}
    first, second = public_id(domain, "user", "u1"), public_id(domain, "user", "u2")
    assert {first: "left", second: "right"}.items() <= (await named()).items()
    directory.change(one, cn="right")
    directory.change(two, cn="left")
    assert {first: "right", second: "left"}.items() <= (await named()).items()
    directory.remove(two)
    directory.change(one, cn="left")                                              # seen by a login first, not by a list
    assert (await log_in(cloud, domain, "left", "p")).body["token"]["user"]["id"] == first
    third = directory.person("u3", "p", cn="left")
    assert not {first, public_id(domain, "user", "u3")} & set(await named())      # two of one name: nobody knows who is meant
    assert (await log_in(cloud, domain, "left", "p")).status == 401
    for dn in (one, third):
        directory.remove(dn)


async def test_own_accounts_of_the_domain_stay(cloud, directory):
    domain = (await make(cloud, "domain", name=f"mixed-{uuid.uuid4().hex[:8]}"))["id"]
    own = await make(cloud, "user", name="carol", domain_id=domain, password=PASSWORD)
    await configure(cloud, domain, slapd.options(directory))
    listed = (await cloud.admin.get(f"{V3}/users?domain_id={domain}")).body["users"]
    assert {user["name"]: user["id"] for user in listed}["carol"] == own["id"] and len(listed) == 3
    assert (await log_in(cloud, domain, "carol", PASSWORD)).status == 201
    assert (await log_in(cloud, domain, "carol", "carol-pass")).status == 401
    token = caller(cloud, await log_in(cloud, domain, "alice", "alice-pass"))
    await cloud.admin.delete(f"{V3}/domains/{domain}/config")
    listed = (await cloud.admin.get(f"{V3}/users?domain_id={domain}")).body["users"]
    assert [user["name"] for user in listed] == ["carol"]
    assert (await token.get(f"{V3}/auth/projects")).status == 401
    assert (await log_in(cloud, domain, "alice", "alice-pass")).status == 401


async def test_a_directory_without_an_answer_harms_nobody_else(cloud, directory, domain):
    token = caller(cloud, await log_in(cloud, domain, "alice", "alice-pass"))
    key, reader = public_id(domain, "user", "alice"), await role_id(cloud, "reader")
    project = (await make(cloud, "project", domain_id=domain))["id"]
    grant = f"{V3}/projects/{project}/users/{key}/roles/{reader}"
    assert (await cloud.admin.put(grant)).status == 204
    directory.stop()
    try:
        await refused(await log_in(cloud, domain, "alice", "alice-pass"), 503, "directory", "does not answer")
        await refused(await token.get(f"{V3}/auth/projects"), 503, "does not answer")
        await refused(await cloud.admin.get(f"{V3}/users?domain_id={domain}"), 503, "does not answer")
        await refused(await cloud.admin.get(f"{V3}/users/{key}"), 503, "does not answer")
        assert (await cloud.admin.get(f"{V3}/users")).status == 200
        assert (await cloud.admin.get(f"{V3}/role_assignments?effective")).status == 200
        assert (await cloud.demo.get(f"{V3}/auth/projects")).status == 200
        assert (await cloud.admin.delete(grant)).status == 204
    finally:
        directory.start()
    assert (await token.get(f"{V3}/auth/projects")).status == 200


async def test_a_directory_that_keeps_silent(cloud, directory, domain):
    """It takes connections and says nothing: only its own users wait, and not for long."""
    async def silence(reader, writer):
        await reader.read()
        writer.close()
    server = await asyncio.start_server(silence, "127.0.0.1", 0)
    async with server:
        url = f"ldap://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await configure(cloud, domain, slapd.options(directory, url=url, connection_timeout=1))
        mine = asyncio.create_task(log_in(cloud, domain, "alice", "alice-pass"))
        assert (await cloud.demo.get(f"{V3}/auth/projects")).status == 200
        assert (await cloud.admin.get(f"{V3}/users?domain_id=default")).status == 200
        assert not mine.done()
        await refused(await mine, 503, "does not answer")


@pytest.mark.parametrize("changes", [
    {"user_tree_dn": "ou=Nowhere,dc=example,dc=org"}, {"password": "wrong"}, {"password": ""}, {"user": "no dn"},
    {"query_scope": "everything"}, {"url": "http://127.0.0.1"}, {"url": "ldap://127.0.0.1:1"}, {"use_tls": True},
    {"user_filter": "(((broken"}])
async def test_a_wrong_configuration_is_told_in_the_log_and_answered_with_503(cloud, directory, domain, changes, caplog):
    await configure(cloud, domain, slapd.options(directory, **changes))
    await refused(await cloud.admin.get(f"{V3}/users?domain_id={domain}"), 503, "does not answer")
    await refused(await log_in(cloud, domain, "alice", "alice-pass"), 503, "does not answer")
    assert all("Traceback" not in record.getMessage() for record in caplog.records)


async def test_a_driver_that_is_not_there(cloud, domain):
    await cloud.admin.patch(f"{V3}/domains/{domain}/config", {"config": {"identity": {"driver": "nonsense"}}})
    await refused(await cloud.admin.get(f"{V3}/users?domain_id={domain}"), 503, "does not answer")
    assert (await cloud.admin.get(f"{V3}/users")).status == 200


@pytest.mark.parametrize("how", ["ldaps", "starttls"])
async def test_tls(cloud, directory, domain, how):
    url = {"ldaps": {"url": directory.ldaps}, "starttls": {"url": directory.url, "use_tls": "true"}}[how]
    for more, status in (({"tls_cacertfile": str(directory.ca)}, 200), ({}, 503), ({"tls_req_cert": "never"}, 200),
                         ({"tls_cacertfile": "/nowhere/ca.pem"}, 503)):
        await configure(cloud, domain, slapd.options(directory, **url, **more))
        assert (await cloud.admin.get(f"{V3}/users?domain_id={domain}")).status == status, (url, more)
    await configure(cloud, domain, slapd.options(directory, **url, tls_cacertfile=str(directory.ca)))
    assert (await log_in(cloud, domain, "alice", "alice-pass")).status == 201
    assert (await log_in(cloud, domain, "alice", "wrong")).status == 401


async def test_more_entries_than_the_directory_gives_at_once(cloud, directory, domain):
    made = [directory.person(f"many{number}", "p") for number in range(25)]
    listing = f"{V3}/users?domain_id={domain}"
    await refused(await cloud.admin.get(listing), 503, "does not answer")          # slapd gives 20
    await configure(cloud, domain, slapd.options(directory, page_size=10))
    assert len((await cloud.admin.get(listing)).body["users"]) == 28
    first = (await cloud.admin.get(f"{listing}&limit=10")).body
    assert len(first["users"]) == 10 and first["links"]["next"]
    for dn in made:
        directory.remove(dn)
    assert len((await cloud.admin.get(listing)).body["users"]) == 3


async def test_several_servers_one_of_them_dead(cloud, directory, domain):
    await configure(cloud, domain, slapd.options(directory, url=f"ldap://127.0.0.1:1,{directory.url}"))
    assert (await log_in(cloud, domain, "alice", "alice-pass")).status == 201


async def test_filters_mapping_and_members_by_id(cloud, directory, domain):
    dn = f"cn=crew,{slapd.PARTIES}"
    with directory.root() as root:
        root.add(dn, "posixGroup", {"cn": "crew", "gidNumber": "1", "memberUid": ["alice", "ghost"], "description": "d"})
    await configure(cloud, domain, slapd.options(
        directory, user_filter="(|(uid=alice)(uid=bob))", group_objectclass="posixGroup", group_member_attribute="memberUid",
        group_members_are_ids=True, user_additional_attribute_mapping=["sn:surname"], user_attribute_ignore="mail,description"))
    users = {user["name"]: user for user in (await cloud.admin.get(f"{V3}/users?domain_id={domain}")).body["users"]}
    assert set(users) == {"alice", "bob"}
    assert users["alice"]["surname"] == "Alice" and "description" not in users["alice"]
    assert (await log_in(cloud, domain, "carol", "carol-pass")).status == 401
    group = public_id(domain, "group", "crew")
    members = (await cloud.admin.get(f"{V3}/groups/{group}/users")).body["users"]
    assert [user["name"] for user in members] == ["alice"]
    groups = (await cloud.admin.get(f"{V3}/users/{users['alice']['id']}/groups")).body["groups"]
    assert [each["name"] for each in groups] == ["crew"]
    directory.remove(dn)


async def test_enabled_by_being_in_a_group(cloud, directory, domain):
    dn = directory.party("enabled", directory.carol)
    await configure(cloud, domain, slapd.options(directory, user_enabled_emulation=True, user_enabled_emulation_dn=dn))
    assert (await log_in(cloud, domain, "carol", "carol-pass")).status == 201
    assert (await log_in(cloud, domain, "alice", "alice-pass")).status == 401
    users = (await cloud.admin.get(f"{V3}/users?domain_id={domain}")).body["users"]
    assert {user["name"]: user["enabled"] for user in users} == {"alice": False, "bob": False, "carol": True}
    directory.remove(dn)


async def test_answers_hold_for_a_while(tmp_path, directory):
    """With a cache, a token that was looked at goes on without the directory, a login does not."""
    async for cloud in run_cloud(make_settings(tmp_path, "directory_cache = 600\n")):
        domain = (await make(cloud, "domain"))["id"]
        await configure(cloud, domain, slapd.options(directory))
        token = caller(cloud, await log_in(cloud, domain, "alice", "alice-pass"))
        directory.stop()
        try:
            assert (await token.get(f"{V3}/auth/projects")).status == 200
            assert (await log_in(cloud, domain, "alice", "alice-pass")).status == 503
        finally:
            directory.start()


async def test_the_password_of_the_directory_is_sealed(cloud, directory, domain):
    async with cloud.parts.database.read() as tx:
        rows = list((await tx.execute(select(DomainOption).where(DomainOption.domain_id == domain))).scalars())
    kept = next(row.value for row in rows if row.option == "password")
    assert slapd.READER_PASSWORD not in str(kept) and kept["sealed"]


async def test_a_directorys_user_works_in_the_other_services(cloud, domain):
    """His id is longer than one of ours: columns must hold it."""
    key, member = public_id(domain, "user", "alice"), await role_id(cloud, "member")
    project = (await make(cloud, "project", domain_id=domain))["id"]
    await cloud.admin.get(f"{V3}/users?domain_id={domain}&name=alice")
    await cloud.admin.put(f"{V3}/projects/{project}/users/{key}/roles/{member}")
    alice = caller(cloud, await log_in(cloud, domain, "alice", "alice-pass", {"project": {"id": project}}))
    made = await alice.post("/compute/v2.1/os-keypairs", {"keypair": {"name": "k", "public_key": PUBLIC_KEY}})
    assert made.status in (200, 201) and made.body["keypair"]["user_id"] == key
    group = await alice.post("/networking/v2.0/security-groups", {"security_group": {"name": "s"}})
    assert group.status == 201
    image = await alice.post("/image/v2/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})
    assert image.status == 201, image.content
