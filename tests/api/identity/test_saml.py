"""Assertions for other clouds: what they say, that others can check them, and who gets none."""

import asyncio

import pytest
import xmlsec
from aiohttp import web
from keystoneauth1 import session
from keystoneauth1.identity import v3
from lxml import etree

from tests.api.conftest import PASSWORD
from tests.api.identity.test_projects import V3, make, refused

FEDERATION = f"{V3}/OS-FEDERATION"
NAMES = {"saml": "urn:oasis:names:tc:SAML:2.0:assertion", "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
         "md": "urn:oasis:names:tc:SAML:2.0:metadata", "ds": "http://www.w3.org/2000/09/xmldsig#",
         "soap": "http://schemas.xmlsoap.org/soap/envelope/", "ecp": "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"}
SP = {"auth_url": "https://beta.example/v3/OS-FEDERATION/identity_providers/alpha/protocols/mapped/auth",
      "sp_url": "https://beta.example/Shibboleth.sso/SAML2/ECP", "enabled": True}


@pytest.fixture
async def provider(cloud):
    path = f"{FEDERATION}/service_providers/beta"
    assert (await cloud.admin.put(path, {"service_provider": SP})).status == 201
    yield path
    await cloud.admin.delete(path)


def body(token, provider="beta"):
    return {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": {"service_provider": {"id": provider}}}}


async def ask(cloud, token, kind="", provider="beta"):
    return await cloud.anonymous.post(f"{V3}/auth/OS-FEDERATION/saml2{kind}", body(token, provider))


def found(tree, path):
    (one,) = tree.xpath(path, namespaces=NAMES)
    return one


async def certificate(cloud):
    answer = await cloud.anonymous.get(f"{FEDERATION}/saml2/metadata")
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/xml"
    tree = etree.XML(answer.content)
    assert tree.get("entityID") == f"{cloud.url}{FEDERATION}/saml2/idp"
    return found(tree, "//md:KeyDescriptor[@use='signing']//ds:X509Certificate").text


def verify(assertion, text):
    """Check the signature with libxmlsec1, which Shibboleth and mod_auth_mellon use; only with the key that the metadata name."""
    copy = etree.XML(etree.tostring(assertion))
    xmlsec.tree.add_ids(copy, ["ID"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n",
                                         xmlsec.constants.KeyDataFormatCertPem)
    signature = xmlsec.tree.find_node(copy, xmlsec.constants.NodeSignature)
    assert signature.getparent() is copy and copy.index(signature) == 1                 # where the schema has it: behind the issuer
    context.verify(signature)


async def test_an_assertion_says_who_and_where_and_can_be_checked(cloud, provider):
    group = await make(cloud, "group", name="saml <group> & co")
    await cloud.admin.put(f"{V3}/groups/{group['id']}/users/{cloud.demo.user_id}")
    answer = await ask(cloud, cloud.demo.headers["X-Auth-Token"])
    assert answer.status == 200, answer.content
    assert answer.headers["Content-Type"] == "text/xml" and answer.headers["X-sp-url"] == SP["sp_url"]
    assert answer.headers["X-auth-url"] == SP["auth_url"]
    tree = etree.XML(answer.content)
    assert tree.tag.endswith("}Response") and tree.get("Destination") == SP["sp_url"]
    assertion = found(tree, "./saml:Assertion")
    said = {item.get("Name"): [value.text for value in item] for item in assertion.iterfind(".//saml:Attribute", NAMES)}
    assert said.pop("openstack_groups") == ['JSON:{"name":"saml <group> & co","domain":{"name":"Default"}}']
    assert {name: sorted(values) for name, values in said.items()} == {
        "openstack_user": ["tester"], "openstack_project": ["tester"], "openstack_roles": ["member", "reader"],
        "openstack_project_domain": ["Default"], "openstack_user_domain": ["Default"]}
    assert found(assertion, ".//saml:NameID").text == "tester"
    assert found(assertion, ".//saml:SubjectConfirmationData").get("Recipient") == SP["sp_url"]
    assert found(assertion, "./saml:Issuer").text == f"{cloud.url}{FEDERATION}/saml2/idp"
    key = await certificate(cloud)
    verify(assertion, key)
    found(assertion, ".//saml:NameID").text = "admin"
    with pytest.raises(xmlsec.VerificationError):
        verify(assertion, key)


async def test_the_ecp_profile_wraps_it_in_soap(cloud, provider):
    answer = await ask(cloud, cloud.demo.headers["X-Auth-Token"], "/ecp")
    tree = etree.XML(answer.content)
    state = found(tree, "/soap:Envelope/soap:Header/ecp:RelayState")
    assert state.text.startswith("ss:mem:") and state.get(f"{{{NAMES['soap']}}}mustUnderstand") == "1"
    verify(found(tree, "/soap:Envelope/soap:Body/samlp:Response/saml:Assertion"), await certificate(cloud))


async def test_who_gets_none(cloud, provider):
    token = cloud.demo.headers["X-Auth-Token"]
    for kind in ("", "/ecp"):
        await refused(await ask(cloud, "nonsense", kind), 404)
        await refused(await ask(cloud, token, kind, "gamma"), 404, "gamma")
        await refused(await cloud.anonymous.post(f"{V3}/auth/OS-FEDERATION/saml2{kind}", {"auth": {}}), 400)
    unscoped = await cloud.login("tester", PASSWORD, "unscoped")
    await refused(await ask(cloud, unscoped.headers["X-Auth-Token"]), 403, "project scoped")
    made = await cloud.demo.post(f"{V3}/users/{cloud.demo.user_id}/application_credentials",
                                 {"application_credential": {"name": "saml"}})
    credential = {name: made.body["application_credential"][name] for name in ("id", "secret")}
    robot = await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": {
        "methods": ["application_credential"], "application_credential": credential}}})
    await refused(await ask(cloud, robot.headers["X-Subject-Token"]), 403, "application credential")
    await cloud.admin.patch(provider, {"service_provider": {"enabled": False}})
    await refused(await ask(cloud, token), 403, "beta is disabled")


async def test_keystoneauths_plugin_hands_it_on(cloud):
    """Keystone2Keystone, unmodified, against a service provider that checks the assertion with libxmlsec1."""
    key, seen = await certificate(cloud), []

    async def consume(request):
        tree = etree.XML(await request.read())
        assertion = found(tree, "/soap:Envelope/soap:Body/samlp:Response/saml:Assertion")
        verify(assertion, key)
        seen.append(found(assertion, ".//saml:NameID").text)
        return web.Response(status=302, headers={"Location": "/"})

    async def enter(request):
        return web.json_response({"token": {"methods": ["mapped"], "user": {"name": seen[-1]}, "expires_at": "2099-01-01T00:00:00Z"}},
                                 headers={"X-Subject-Token": "of-beta"}, status=201)
    app = web.Application()
    app.router.add_post("/acs", consume)
    app.router.add_get("/v3/OS-FEDERATION/x", enter)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    path = f"{FEDERATION}/service_providers/delta"
    await cloud.admin.put(path, {"service_provider": {"auth_url": f"{url}/v3/OS-FEDERATION/x", "sp_url": f"{url}/acs", "enabled": True}})
    local = v3.Password(f"{cloud.url}{V3}", username="tester", password=PASSWORD, user_domain_id="default", project_name="tester",
                        project_domain_id="default")
    plugin = v3.Keystone2Keystone(local, "delta")
    try:
        assert await asyncio.to_thread(session.Session(auth=plugin).get_token) == "of-beta" and seen == ["tester"]
    finally:
        await cloud.admin.delete(path)
        await runner.cleanup()
