"""Signatures and passcodes against vectors that others published, or that their clients compute."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from cloudd.core.errors import Unauthorized
from cloudd.identity import signatures
from cloudd.identity.oauth1 import Signed
from cloudd.identity.tokens import access_rules, totp

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_version_4_as_in_amazons_documentation():
    scope = "AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request"
    given = {"verb": "GET", "host": "iam.amazonaws.com", "path": "/", "params": {"Action": "ListUsers", "Version": "2010-05-08"},
             "body_hash": hashlib.sha256(b"").hexdigest(), "headers": {
                 "Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Host": "iam.amazonaws.com",
                 "X-Amz-Date": "20150830T123600Z",
                 "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=content-type;host;x-amz-date, "
                                  "Signature=x"}}
    assert signatures.ec2(SECRET, given) == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    assert signatures.ec2_time(given) == (datetime(2015, 8, 30, 12, 36, tzinfo=UTC), None)


def test_version_2_as_keystoneclient_signs():
    from keystoneclient.contrib.ec2.utils import Ec2Signer
    given = {"verb": "POST", "host": "cloud:5000", "path": "/services/", "params": {
        "SignatureVersion": "2", "Timestamp": "2026-01-31T12:00:00Z", "Action": "Tést ~/+", "SignatureMethod": "HmacSHA256"}}
    assert signatures.ec2("secret", given) == Ec2Signer("secret").generate({**given, "params": dict(given["params"])})


@pytest.mark.parametrize("verb", ["GET", "POST"])
@pytest.mark.parametrize("signed", ["", "host;x-amz-date", "host;absent;x-amz-date"], ids=["none", "two", "one that was not sent"])
def test_version_4_as_keystoneclient_signs_also_without_signed_headers(signed, verb):
    from keystoneclient.contrib.ec2.utils import Ec2Signer
    given = {"verb": verb, "host": "cloud:5000", "path": "/services/", "params": {"Action": "Test", "Version": "2 ~"},
             "body_hash": hashlib.sha256(b"x").hexdigest(), "headers": {
                 "Host": "cloud:5000", "X-Amz-Date": "20260131T120000Z", "Authorization":
                 f"AWS4-HMAC-SHA256 Credential=KEY/20260131/region/ec2/aws4_request,SignedHeaders={signed},Signature=x"}}
    assert signatures.ec2("secret", given) == Ec2Signer("secret").generate({**given, "params": dict(given["params"])})


@pytest.mark.parametrize("params", [{}, {"SignatureVersion": "0"}, {"SignatureVersion": "1"}, {"SignatureVersion": "2",
                                                                                           "SignatureMethod": "none"}])
def test_old_and_unknown_versions_are_refused(params):
    with pytest.raises(Unauthorized):
        signatures.ec2("secret", {"params": params})


def test_s3_version_1_as_in_amazons_documentation():
    text = b"GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/awsexamplebucket1/photos/puppy.jpg"
    assert signatures.s3("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", text) == "qgk2+6Sv9/oM7G3qLEjTH1a1l1g="
    assert signatures.s3_time(text)[0] == datetime(2007, 3, 27, 19, 36, 42, tzinfo=UTC)


@pytest.mark.parametrize("times, good", [
    ((NOON, None), True), ((NOON - timedelta(minutes=15), None), True), ((NOON - timedelta(minutes=16), None), False),
    ((NOON + timedelta(minutes=16), None), False), ((None, NOON + timedelta(days=1)), True),
    ((None, NOON - timedelta(seconds=1)), False), ((None, None), False)])
def test_signatures_grow_old(times, good):
    if good:
        signatures.fresh(times, timedelta(minutes=15), NOON)
    else:
        with pytest.raises(Unauthorized):
            signatures.fresh(times, timedelta(minutes=15), NOON)


def test_oauth1_as_in_rfc_5849():
    params = [("oauth_consumer_key", "dpf43f3p2l4k3l03"), ("oauth_token", "nnch734d00sl2jdk"), ("oauth_nonce", "chapoH"),
              ("oauth_signature_method", "HMAC-SHA1"), ("oauth_timestamp", "137131202"), ("file", "vacation.jpg"),
              ("size", "original")]
    made = signatures.oauth1("GET", "http://photos.example.net/photos", params, "kd94hf93k423kf44", "pfkkdhi9sl3r4s00")
    assert made == "MdpQcU8iPSUjWoN/UDMsK2sui9I="


@pytest.mark.parametrize("how", list(signatures.OAUTH1))
def test_oauth1_by_every_method_as_oauthlib_signs(how):
    from oauthlib.oauth1 import Client
    url = "http://cloud.example:5000/v3/OS-OAUTH1/request_token"
    client = Client("key", "a secret/+", resource_owner_secret="another &~", resource_owner_key="token", signature_method=how)
    header = client.sign(url, "POST")[1]["Authorization"]
    Signed.read("POST", url, header, {}).check("a secret/+", "another &~", timedelta(minutes=15), datetime.now(UTC))
    with pytest.raises(Unauthorized):
        Signed.read("POST", url, header, {}).check("a secret/+", "wrong", timedelta(minutes=15), datetime.now(UTC))


@pytest.mark.parametrize("how", ["RSA-SHA1", "plaintext", ""])
def test_oauth1_by_other_methods_is_refused(how):
    header = f'OAuth oauth_signature_method="{how}", oauth_timestamp="1", oauth_signature="a%26b"'
    with pytest.raises(Unauthorized, match="signature method"):
        Signed.read("POST", "http://cloud/", header, {}).check("a", "b", timedelta(minutes=15), datetime.now(UTC))


@pytest.mark.parametrize("moment, code", [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")])
def test_passcodes_as_in_rfc_6238(moment, code):
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert totp.step_of(secret, code, moment) == moment // 30
    assert totp.step_of(secret, code, moment + 30) == moment // 30
    assert totp.step_of(secret, code, moment + 90) is None
    assert totp.step_of("not base32!", code, moment) is None


@pytest.mark.parametrize("rule, method, path, good", [
    ("/v2.1/servers", "GET", "/compute/v2.1/servers", True), ("/v2.1/servers", "POST", "/compute/v2.1/servers", False),
    ("/v2.1/servers/*/ips", "GET", "/compute/v2.1/servers/x/ips", True),
    ("/v2.1/servers/*/ips", "GET", "/compute/v2.1/servers/x/y/ips", False), ("/v2.1/**", "GET", "/compute/v2.1/a/b/c", True),
    ("/v2.1/servers/{server_id}", "GET", "/compute/v2.1/servers/x", True), ("/v2.1/s.rvers", "GET", "/compute/v2.1/servers", False),
    ("/compute/v2.1/servers", "GET", "/compute/v2.1/servers", True), ("/v2.1/servers", "GET", "/compute/v2.1/servers/x", False)])
def test_access_rules_cover_what_they_say(rule, method, path, good):
    rules = [{"service": "compute", "method": "GET", "path": rule}]
    assert access_rules.covers(rules, "compute", method, path) is good
    assert not access_rules.covers(rules, "image", method, path)


@pytest.mark.parametrize("text", ["", "GET", "a\nb\nc\nno date", "a\nb\nc\n99999999999999999999", "AWS4-HMAC-SHA256", "\n\n\n²",
                                  "GET\n\n\nTue, 27 Mar 2007 19:36:42 -0000\n/x"])
def test_strange_times_never_crash(text):
    try:
        signatures.fresh(signatures.s3_time(text.encode()), timedelta(minutes=15), NOON)
        raise AssertionError("fresh")
    except Unauthorized:
        pass
