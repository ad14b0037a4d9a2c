"""How OpenID providers are described, what their claims are called, and what a federated token says of its origin."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloudd.core.options import SettingsError
from cloudd.identity.federation import oidc_settings
from cloudd.identity.federation.oidc_tokens import said
from cloudd.identity.payload import Origin, Payload, new_audit_id, unpack

SAMPLE = Path(__file__).resolve().parents[3] / "etc/identity-providers.conf"
ACME = "[acme]\nissuer = https://login.example\nclient_id = cloudd\n"


def read(tmp_path, text):
    path = tmp_path / "providers.conf"
    path.write_text(text)
    return oidc_settings.read(str(path))


def test_the_sample_file_is_the_one_that_is_printed():
    assert SAMPLE.read_text() == oidc_settings.sample()


def test_the_sample_says_nothing_until_it_is_filled(tmp_path):
    assert read(tmp_path, oidc_settings.sample()) == {} == oidc_settings.read("")


def test_a_provider_is_read_with_its_defaults(tmp_path):
    made = read(tmp_path, ACME + "client_secret = s%cret#;x\nhosts = keys.example:8443, 10.0.0.1\n")["acme"]
    assert made.client_secret == "s%cret#;x" and made.scopes == "openid profile email" and made.access_token == "auto"
    assert made.allowed == ("login.example", "keys.example:8443", "10.0.0.1") and made.wanted_audiences == ("cloudd",)
    assert read(tmp_path, ACME + "audiences = a, b\n")["acme"].wanted_audiences == ("a", "b")


@pytest.mark.parametrize("text, says", [
    ("[acme]\nclient_id = x\n", r"\[acme\] issuer is missing"), ("[acme]\nissuer = https://x\n", r"\[acme\] client_id is missing"),
    (ACME + "secret = x\n", "secret is no option; there are: issuer"), (ACME + "issuer = y\n", "already exists"),
    ("[acme]\nissuer = login.example\n", "it must be http"), (ACME + "algorithms = none\n", "one of RS256"),
    (ACME + "algorithms = HS256\n", "one of RS256"), (ACME + "scopes = email\n", "openid must be one of them"),
    (ACME + "access_token = guess\n", "auto or jwt"), (ACME + "ca_file = /nonexistent.pem\n", "ca_file"), ("x = y\n", "no section")])
def test_what_is_wrong_is_told(tmp_path, text, says):
    with pytest.raises(SettingsError, match=says):
        read(tmp_path, text)
    with pytest.raises(SettingsError, match="providers_file"):
        oidc_settings.read(str(tmp_path / "nothing"))


def test_secrets_are_not_repeated(tmp_path):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, ACME + "client_secret = hush\nleeway = never\n")
    assert "hush" not in str(caught.value)


def test_claims_have_the_names_that_mappings_look_for():
    found = said({"iss": "https://login.example/x", "sub": "7", "email": "a;b", "groups": ["g;1", "g2", 3, None], "on": True, "off": False,
                  "none": None, "empty": "", "no": [], "address": {"city": "Bern"}, "E-Mail": "x", "Iss": "https://evil"})
    assert found["OIDC-email"] == found["OIDC_CLAIM_email"] == found["HTTP_OIDC_EMAIL"] == ["a;b"]
    assert found["OIDC-groups"] == ["g;1", "g2", "3"] and found["OIDC-on"] == ["1"] and found["OIDC-off"] == ["0"]
    assert not {"OIDC-none", "OIDC-empty", "OIDC-no"} & set(found) and found["OIDC-address"] == ['{"city":"Bern"}']
    assert found["HTTP_OIDC_E_MAIL"] == ["x"] and found["HTTP_OIDC_ISS"] == ["https://login.example/x"]
    assert found["REMOTE_USER"] == ["7@login.example/x"]


@pytest.mark.parametrize("origin", [None, Origin("acme", "openid"), Origin("a" * 64, "openid", ("0" * 32, "f" * 32, "other"))])
def test_a_token_keeps_where_its_user_came_from(origin):
    moment = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)
    payload = Payload("0" * 64, ("token", "openid"), moment, moment + timedelta(hours=1), (new_audit_id(), new_audit_id()), "project",
                      "a" * 32, origin=origin)
    assert unpack(payload.pack()) == payload
