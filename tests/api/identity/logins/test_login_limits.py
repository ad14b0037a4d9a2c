"""Failed logins count for a user at an address: nobody is shut out by what somebody else tries."""

import pytest

from tests.api.conftest import PASSWORD, make_settings, run_cloud
from tests.api.identity.test_projects import V3, make

LIMITS = """
failed_logins_per_minute = 3
failed_logins_per_address = 12
[server]
trusted_proxies = 127.0.0.1
"""
OFFICE, ATTACKER = "198.51.100.7", "203.0.113.66"


@pytest.fixture
async def limited(tmp_path):
    async for running in run_cloud(make_settings(tmp_path, LIMITS.lstrip("\n"))):
        yield running


async def log_in(cloud, name, password, address, kind="name"):
    user = {"id": name} if kind == "id" else {"name": name, "domain": {"id": "default"}}
    identity = {"methods": ["password"], "password": {"user": {**user, "password": password}}}
    headers = {"X-Forwarded-For": address} if address else {}
    return (await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": identity}}, headers=headers)).status


async def fail(cloud, name, times, address, kind="name"):
    return [await log_in(cloud, name, "wrong", address, kind) for _ in range(times)]


async def test_the_administrator_is_not_locked_out_by_failures_of_others_at_his_address(limited):
    assert await fail(limited, "somebody", 4, OFFICE) == [401, 401, 401, 429]
    assert await fail(limited, "tester", 4, OFFICE) == [401, 401, 401, 429]
    assert await log_in(limited, "admin", PASSWORD, OFFICE) == 201


async def test_a_user_is_not_locked_out_by_an_attacker_elsewhere(limited):
    assert await fail(limited, "admin", 5, ATTACKER) == [401, 401, 401, 429, 429]
    assert await log_in(limited, "admin", PASSWORD, ATTACKER) == 429
    assert await log_in(limited, "admin", PASSWORD, OFFICE) == 201


async def test_an_address_that_tries_many_users_has_to_wait_as_a_whole(limited):
    for number in range(12):
        assert await log_in(limited, f"guess-{number}", "wrong", ATTACKER) == 401
    assert await log_in(limited, "admin", PASSWORD, ATTACKER) == 429
    assert await log_in(limited, "admin", PASSWORD, OFFICE) == 201


async def test_who_is_there_and_who_is_not_are_stopped_alike_however_they_are_named(limited):
    key = (await make(limited, "user", name="known", password=PASSWORD))["id"]
    known = await fail(limited, "known", 2, OFFICE) + await fail(limited, "known", 2, OFFICE)
    assert known == await fail(limited, "unknown", 4, OFFICE)
    assert await fail(limited, key, 1, OFFICE, "id") == [429]


async def test_all_addresses_of_one_ipv6_network_count_as_one(limited):
    assert await fail(limited, "admin", 3, "2001:db8:1:2::1") == [401] * 3
    assert await log_in(limited, "admin", PASSWORD, "2001:db8:1:2:ffff::9") == 429
    assert await log_in(limited, "admin", PASSWORD, "2001:db8:1:3::1") == 201


async def test_the_address_is_what_the_trusted_proxy_saw_and_not_what_the_client_wrote(limited):
    """A proxy adds whom it saw at the right; what stands before it anybody may have sent."""
    forged = [await log_in(limited, "admin", "wrong", f"192.0.2.{number}, {ATTACKER}") for number in range(4)]
    assert forged == [401, 401, 401, 429]
    assert await log_in(limited, "admin", PASSWORD, f"{ATTACKER}, {OFFICE}") == 201
    assert await log_in(limited, "admin", PASSWORD, f"{OFFICE}, {ATTACKER}:4711, 127.0.0.1") == 429


async def test_strangers_are_not_believed_where_they_say_they_come_from(tmp_path):
    async for cloud in run_cloud(make_settings(tmp_path, "failed_logins_per_minute = 3\n")):
        spoofed = [await log_in(cloud, "admin", "wrong", f"192.0.2.{number}") for number in range(4)]
        assert spoofed == [401, 401, 401, 429]
