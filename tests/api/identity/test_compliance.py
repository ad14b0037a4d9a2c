"""Security compliance: lock-out, expiry, history, age, first use, inactivity; several factors; limits of failed logins."""

import asyncio
import time
from datetime import timedelta

import aiohttp
import pytest

from cloudd.core import clock, database
from cloudd.daemon import Daemon
from cloudd.identity.models import User
from cloudd.identity.models.extensions import LoginRecord
from cloudd.identity.tokens import totp
from tests.api.conftest import PASSWORD, Client, Cloud, make_settings, run_cloud
from tests.api.identity.test_projects import V3, make, refused

STRICT = """
failed_logins_per_minute = 30
[security_compliance]
lockout_failure_attempts = 2
lockout_duration = 600
disable_user_account_days_inactive = 90
password_expires_days = 30
unique_last_password_count = 3
minimum_password_age = 1
password_regex = ^.{7,}$
password_regex_description = seven characters
"""
FIRST, SECOND, THIRD = "first-pass-1", "second-pass-2", "third-pass-3"
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture(scope="module")
async def strict(tmp_path_factory):
    settings = make_settings(tmp_path_factory.mktemp("strict"), STRICT.lstrip("\n"))
    async for running in run_cloud(settings):
        yield running


async def log_in(cloud, user, password=FIRST, methods=("password",), passcode="", headers=None):
    identity = {"methods": list(methods), "password": {"user": {"id": user, "password": password}},
                "totp": {"user": {"id": user, "passcode": passcode}}}
    return await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": identity}}, headers=headers or {})


async def change(cloud, user, old, new):
    return await cloud.anonymous.post(f"{V3}/users/{user}/password", {"user": {"original_password": old, "password": new}})


async def alter(cloud, model, key, **values):
    """Let time pass: change a row behind the daemon's back."""
    async with cloud.parts.database.write() as tx:
        row = await tx.get(model, key)
        for name, value in values.items():
            setattr(row, name, value)


def ago(**much):
    return clock.now() - timedelta(**much)


async def test_wrong_passwords_lock_an_account_for_a_while(strict):
    user = (await make(strict, "user", password=FIRST))["id"]
    for _ in range(2):
        wrong = await log_in(strict, user, "wrong")
    shut = await log_in(strict, user)
    assert shut.status == 401 and shut.body == wrong.body              # nobody learns that it is locked
    assert (await change(strict, user, FIRST, SECOND)).status == 401
    await alter(strict, LoginRecord, user, last_failed_at=ago(minutes=11))
    assert (await log_in(strict, user)).status == 201
    assert (await log_in(strict, user, "wrong")).status == 401 and (await log_in(strict, user)).status == 201


async def test_an_administrator_opens_a_locked_account(strict):
    user = (await make(strict, "user", password=FIRST))["id"]
    for _ in range(2):
        await log_in(strict, user, "wrong")
    assert (await log_in(strict, user)).status == 401
    assert (await strict.admin.patch(f"{V3}/users/{user}", {"user": {"enabled": True}})).status == 200
    assert (await log_in(strict, user)).status == 201


async def test_some_are_never_locked(strict):
    user = (await make(strict, "user", password=FIRST, options={"ignore_lockout_failure_attempts": True}))["id"]
    for _ in range(3):
        await log_in(strict, user, "wrong")
    assert (await log_in(strict, user)).status == 201


async def test_passwords_expire(strict):
    user = await make(strict, "user", password=FIRST)
    assert user["password_expires_at"]
    await alter(strict, User, user["id"], password_expires_at=ago(seconds=1))
    await refused(await log_in(strict, user["id"]), 401, "expired", user["id"])
    assert (await change(strict, user["id"], FIRST, SECOND)).status == 204    # although it is younger than a day
    assert (await log_in(strict, user["id"], SECOND)).status == 201
    never = await make(strict, "user", password=FIRST, options={"ignore_password_expiry": True})
    assert never["password_expires_at"] is None


async def test_passwords_have_a_form_an_age_and_a_history(strict):
    await refused(await strict.admin.post(f"{V3}/users", {"user": {"name": "u", "password": "short"}}), 400, "seven characters")
    user = (await make(strict, "user", password=FIRST))["id"]
    await refused(await change(strict, user, FIRST, SECOND), 400, "minimum age")
    await alter(strict, User, user, password_changed_at=ago(days=2))
    await refused(await change(strict, user, FIRST, "short"), 400, "seven characters")
    assert (await change(strict, user, FIRST, SECOND)).status == 204
    for _ in range(2):
        await alter(strict, User, user, password_changed_at=ago(days=2))
        await refused(await change(strict, user, SECOND, FIRST), 400, "previous")
    assert (await change(strict, user, SECOND, THIRD)).status == 204
    await alter(strict, User, user, password_changed_at=ago(days=2))
    await refused(await change(strict, user, THIRD, FIRST), 400, "previous")
    assert (await change(strict, user, THIRD, "fourth-pass-4")).status == 204
    await alter(strict, User, user, password_changed_at=ago(days=2))
    assert (await change(strict, user, "fourth-pass-4", FIRST)).status == 204


async def test_a_passcode_is_used_once_even_over_a_restart(tmp_path):
    """Whoever saw a passcode on its way could otherwise stop the daemon and use it again."""
    settings = make_settings(tmp_path)
    async for cloud in run_cloud(settings):
        key = (await make(cloud, "user", password=FIRST))["id"]
        await cloud.admin.post(f"{V3}/credentials", {"credential": {"user_id": key, "type": "totp", "blob": SECRET}})
        code = totp.passcode(SECRET, int(time.time()) // totp.STEP)
        both = await asyncio.gather(*(log_in(cloud, key, methods=["totp"], passcode=code) for _ in range(3)))
        assert sorted(answer.status for answer in both) == [201, 401, 401]
    async with Daemon(settings).running() as daemon, aiohttp.ClientSession() as session:
        again = Cloud(daemon, cloud.url, session)
        again.anonymous = Client(again.url, session)
        assert (await log_in(again, key, methods=["totp"], passcode=code)).status == 401


async def test_who_stays_away_is_shut_out(strict):
    user = (await make(strict, "user", password=FIRST))["id"]
    assert (await log_in(strict, user)).status == 201
    await alter(strict, LoginRecord, user, last_active_at=ago(days=90))
    assert (await log_in(strict, user)).status == 401
    await strict.admin.patch(f"{V3}/users/{user}", {"user": {"options": {"ignore_user_inactivity": True}}})
    assert (await log_in(strict, user)).status == 201


async def test_two_factors_and_a_receipt(cloud):
    user = await make(cloud, "user", password=FIRST, options={"multi_factor_auth_rules": [["password", "totp"], ["nonsense"]]})
    key = user["id"]
    await cloud.admin.post(f"{V3}/credentials", {"credential": {"user_id": key, "type": "totp", "blob": SECRET}})
    half = await log_in(cloud, key)
    assert half.status == 401 and half.body["required_auth_methods"] == [["password", "totp"]]
    assert half.body["receipt"]["methods"] == ["password"] and half.body["receipt"]["user"]["id"] == key
    receipt = half.headers["Openstack-Auth-Receipt"]
    code = totp.passcode(SECRET, int(time.time()) // totp.STEP)
    whole = await log_in(cloud, key, methods=["totp"], passcode=code, headers={"Openstack-Auth-Receipt": receipt})
    assert whole.status == 201 and set(whole.body["token"]["methods"]) == {"password", "totp"}
    again = await log_in(cloud, key, methods=["password", "totp"], passcode=code)
    assert again.status == 401                                                    # a passcode is used once
    token = Client(cloud.url, cloud.session, {"X-Auth-Token": receipt})
    assert (await token.get(f"{V3}/auth/projects")).status == 401                 # a receipt is no token
    other = (await make(cloud, "user", password=FIRST))["id"]
    assert (await log_in(cloud, other, headers={"Openstack-Auth-Receipt": receipt})).status == 401
    await cloud.admin.patch(f"{V3}/users/{key}", {"user": {"options": {"multi_factor_auth_enabled": False}}})
    assert (await log_in(cloud, key)).status == 201


async def test_a_receipt_of_a_password_that_was_changed_is_no_proof(cloud):
    user = await make(cloud, "user", password=FIRST, options={"multi_factor_auth_rules": [["password", "totp"]]})
    await cloud.admin.post(f"{V3}/credentials", {"credential": {"user_id": user["id"], "type": "totp", "blob": SECRET}})
    receipt = (await log_in(cloud, user["id"])).headers["Openstack-Auth-Receipt"]
    assert (await cloud.admin.patch(f"{V3}/users/{user['id']}", {"user": {"password": SECOND}})).status == 200
    code = totp.passcode(SECRET, int(time.time()) // totp.STEP)
    whole = await log_in(cloud, user["id"], methods=["totp"], passcode=code, headers={"Openstack-Auth-Receipt": receipt})
    assert whole.status == 401


async def first_use(tmp_path):
    """A cloud whose administrator's passwords are only for the first time."""
    settings = make_settings(tmp_path, "[security_compliance]\nchange_password_upon_first_use = true\n")
    await asyncio.to_thread(database.upgrade, settings.database.url)
    async with Daemon(settings).running() as daemon, aiohttp.ClientSession() as session:
        cloud = Cloud(daemon, "http://{}:{}".format(*settings.server.addresses()[0]), session)
        cloud.anonymous = Client(cloud.url, session)
        cloud.admin = await cloud.login("admin", PASSWORD, {"project": {"name": "admin", "domain": {"id": "default"}}})
        yield cloud


async def test_changed_at_first_use(tmp_path):
    async for cloud in first_use(tmp_path):
        user = (await make(cloud, "user", password=FIRST))["id"]
        await refused(await log_in(cloud, user), 401, "expired")
        assert (await change(cloud, user, FIRST, SECOND)).status == 204
        assert (await log_in(cloud, user, SECOND)).status == 201
        exempt = await make(cloud, "user", password=FIRST, options={"ignore_change_password_upon_first_use": True})
        assert (await log_in(cloud, exempt["id"])).status == 201


async def test_failures_are_limited_by_address_and_the_log_tells_of_them(strict):
    answers = [await log_in(strict, "nobody", "x") for _ in range(31)]
    assert answers[-1].status == 429 and int(answers[-1].headers["Retry-After"]) <= 61
    assert answers[0].status == 401
