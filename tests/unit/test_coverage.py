"""The coverage report matches declared operations with OpenStack's, whatever their variables are called."""

import pytest

from tests.conformance import coverage


@pytest.mark.parametrize("declared, wanted", [
    (("GET", "/compute/v2.1/servers/{server}", None), ("GET", "/v2.1/servers/{server_id}", "")),
    (("POST", "/compute/v2.1/servers/{server}/action", "reboot"), ("POST", "/v2.1/servers/{server_id}/action", "reboot")),
    (("PUT", "/networking/v2.0/routers/{router}/add_router_interface", None),
     ("PUT", "/v2.0/routers/{router_id}/add_router_interface", "add_router_interface")),
    (("POST", "/identity/v3/auth/tokens", None), ("POST", "/v3/auth/tokens", "password")),
    (("GET", "/volume/v3/os-quota-sets/{project}", None), ("GET", "/v3/{admin_project_id}/os-quota-sets/{project_id}?{usage}=True", "")),
    (("PUT", "/volume/v3/types/{volume_type}", None), ("PUT", "/v3/{project_id}/types/{volume_type_id}", "")),
    (("GET", "/identity/v3/projects/{project}", None), ("GET", "/v3/projects/{project_id}", "")),
    (("GET", "/placement/resource_providers", None), ("GET", "/placement/resource_providers", None)),
])
def test_the_same_operation(declared: tuple, wanted: tuple) -> None:
    assert coverage.key(*declared) == coverage.key(*wanted)


def test_actions_differ() -> None:
    path = "/v2.1/servers/{server_id}/action"
    assert coverage.key("POST", path, "reboot") != coverage.key("POST", path, "os-start")


def test_a_get_answers_head_and_what_is_missing_is_listed() -> None:
    found = coverage.served([("identity", "GET", "/identity/v3/users/{user}", None)])
    report = coverage.compare(coverage.wanted(), found, {"current"})
    have, want = report.services["identity"]
    assert have >= 1 and want > 200
    assert ("GET", "/v3/users/{}", "") not in {row.key for row in report.missing if row.service == "identity"}
    assert ("POST", "/v3/users", "") in {row.key for row in report.missing}
