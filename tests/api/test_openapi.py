"""/openapi.json: a valid document, whole, and true (that each reply is what it says is held by tests/replies.py in every other test)."""

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from cloudd.core.http.openapi import newest, reply_schema
from tests.api.test_every_operation import OPERATIONS, headers, name, path

BODILESS = (202, 204)
READS = [one for one in OPERATIONS if one.method == "GET" and not one.names and not one.stream]
METHODS = {"get", "put", "post", "delete", "patch", "head"}


def undeclared(operation):
    return operation.status not in BODILESS and not operation.stream and operation.method != "HEAD" and \
        reply_schema(operation, newest(operation)) is None


async def test_the_document_is_openapi(cloud):
    document = (await cloud.anonymous.get("/openapi.json")).body
    assert not [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]


async def test_every_operation_stands_in_it_once_under_a_name_of_its_own(cloud):
    document = (await cloud.anonymous.get("/openapi.json")).body
    found = [entry["operationId"] for path in document["paths"].values() for method, entry in path.items() if method in METHODS]
    assert len(found) == len(set(found))
    assert len(found) == len({(one.api.service, one.method, one.path, one.action) for one in OPERATIONS})


async def test_lists_tell_their_filters_sorts_and_pages(cloud):
    document = (await cloud.anonymous.get("/openapi.json")).body
    asked = {one["name"]: one["schema"] for one in document["paths"]["/networking/v2.0/ports"]["get"]["parameters"]}
    assert {"device_id", "mac_address", "fixed_ips", "tags-any", "limit", "marker", "sort_key", "sort_dir", "fields"} <= asked.keys()
    assert "mac_address" in asked["sort_key"]["enum"]


@pytest.mark.parametrize("path, filters", [
    ("/networking/v2.0/agents", {"agent_type", "alive"}), ("/networking/v2.0/network-ip-availabilities", {"ip_version", "network_id"}),
    ("/networking/v2.0/floatingip_pools", {"cidr"}), ("/compute/v2.1/servers", {"status", "changes-since", "tags-any", "sort_key"})])
async def test_lists_that_find_their_rows_themselves_tell_their_filters(cloud, path, filters):
    document = (await cloud.anonymous.get("/openapi.json")).body
    assert filters <= {one["name"] for one in document["paths"][path]["get"]["parameters"]}


async def test_what_else_an_operation_is_asked_in_the_address_is_told(cloud):
    paths = (await cloud.anonymous.get("/openapi.json")).body["paths"]
    for place, names in (
            ("/identity/v3/role_assignments", {"scope.project.id", "effective"}), ("/identity/v3/auth/tokens", {"nocatalog"}),
            ("/identity/v3/projects/{project}", {"parents_as_list"}), ("/identity/v3/groups/{group}/users", {"name__contains"}),
            ("/image/v2/images", {"member_status", "os_hidden", "size_min"}), ("/identity/v3/credentials", {"user_id", "type"}),
            ("/image/v2/metadefs/namespaces/{namespace}", {"resource_type"})):
        assert names <= {one["name"] for one in paths[place]["get"]["parameters"]}, place


async def test_errors_have_the_form_of_the_service(cloud):
    document = (await cloud.anonymous.get("/openapi.json")).body
    for service, member in (("identity", "error"), ("network", "NeutronError")):
        assert member in document["components"]["schemas"][f"{service}-error"]["properties"]


async def test_what_is_not_json_stands_under_its_own_media_type_and_a_way_on_has_no_body(cloud):
    paths = (await cloud.anonymous.get("/openapi.json")).body["paths"]
    federation = "/identity/v3/auth/OS-FEDERATION"
    assert list(paths[f"{federation}/saml2"]["post"]["responses"]["200"]["content"]) == ["text/xml"]
    oauth = paths["/identity/v3/OS-OAUTH1/access_token"]["post"]["responses"]["201"]
    assert list(oauth["content"]) == ["application/x-www-form-urlencoded"]
    login = paths[f"{federation}/identity_providers/{{idp_id}}/protocols/{{protocol_id}}/websso"]["get"]["responses"]
    assert "content" not in login["303"]


async def test_the_properties_that_users_give_images_are_text(cloud):
    paths = (await cloud.anonymous.get("/openapi.json")).body["paths"]
    image = paths["/image/v2/images/{image}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert image["additionalProperties"] == {"type": ["string", "null"]}
    assert image["properties"]["size"] == {"type": ["integer", "null"]} and "size" in image["required"]
    assert "locations" in image["properties"] and "locations" not in image["required"]


def test_every_operation_says_what_it_answers():
    """By `reply=` or `answer=`."""
    assert not [name(one) for one in OPERATIONS if undeclared(one)]


@pytest.mark.parametrize("operation", READS, ids=name)
async def test_what_needs_no_id_answers_as_declared_at_its_newest_version(cloud, operation):
    answer = await cloud.admin.get(path(operation), headers=headers(operation, newest(operation)))
    assert 200 <= answer.status < 500, answer.content
