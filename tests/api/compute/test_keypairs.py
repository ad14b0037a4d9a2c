"""Key pairs: made, brought along, listed, of others; what each version shows."""

import asyncio
import io
import itertools
import subprocess

import paramiko
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cloudd.compute import keypairs
from cloudd.core.errors import BadRequest
from tests.api.compute.rooms import C
from tests.api.compute.schemas import fits

NUMBERS = itertools.count()
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8bT1pUnTS3DfDBUtW2CAGnr7VmuJQHHaZEV1SbnLYp me@here"
P = f"{C}/os-keypairs"


def name():
    return f"key-{next(NUMBERS)}"


async def bring(client, version="2.1", **more):
    answer = await client.at(version).post(P, {"keypair": {"name": name(), "public_key": ED25519, **more}})
    assert answer.status in (200, 201), answer.content
    return answer.body["keypair"]


@pytest.mark.parametrize("version", ["2.1", "2.2", "2.9", "2.10", "2.34", "2.35", "2.91", "2.92", "2.104"])
async def test_every_reply_has_tempests_form(cloud, version):
    client, mine = cloud.demo.at(version), name()
    made = fits(await client.post(P, {"keypair": {"name": mine, "public_key": ED25519}}), "keypairs", "create_keypair", version)
    assert made["keypair"]["fingerprint"].count(":") == 15 and made["keypair"]["user_id"] == cloud.demo.user_id
    shown = fits(await client.get(f"{P}/{mine}"), "keypairs", "get_keypair", version)["keypair"]
    assert shown["public_key"] == ED25519 and shown["deleted"] is False
    listed = fits(await client.get(P), "keypairs", "list_keypairs", version)["keypairs"]
    assert mine in [row["keypair"]["name"] for row in listed]
    fits(await client.delete(f"{P}/{mine}"), "keypairs", "delete_keypair", version)
    missing = await client.get(f"{P}/{mine}")
    assert missing.status == 404 and mine in missing.body["itemNotFound"]["message"]


async def test_a_pair_that_is_made_here_opens_what_its_public_half_closes(cloud):
    made = (await cloud.demo.post(P, {"keypair": {"name": name()}})).body["keypair"]
    key = paramiko.RSAKey.from_private_key(io.StringIO(made["private_key"]))
    assert key.get_base64() == made["public_key"].split()[1]
    assert key.fingerprint.startswith("SHA256:")
    assert "private_key" not in (await cloud.demo.get(f"{P}/{made['name']}")).body["keypair"]


async def test_certificates_for_windows(cloud):
    made = (await cloud.demo.at("2.2").post(P, {"keypair": {"name": name(), "type": "x509"}})).body["keypair"]
    certificate = x509.load_pem_x509_certificate(made["public_key"].encode())
    assert made["fingerprint"].count(":") == 19 and "PRIVATE KEY" in made["private_key"] and certificate.serial_number
    brought = await cloud.demo.at("2.2").post(P, {"keypair": {"name": name(), "type": "x509", "public_key": made["public_key"]}})
    assert brought.body["keypair"]["fingerprint"] == made["fingerprint"]


async def test_from_2_92_nothing_is_made_here(cloud):
    assert (await cloud.demo.at("2.92").post(P, {"keypair": {"name": name()}})).status == 400
    assert (await cloud.demo.at("2.92").post(P, {"keypair": {"name": "me@here.org", "public_key": ED25519}})).status == 201
    assert (await cloud.demo.at("2.91").post(P, {"keypair": {"name": "you@here.org", "public_key": ED25519}})).status == 400


@pytest.mark.parametrize("wrong", [{"public_key": "ssh-rsa nothing"}, {"public_key": ""}, {"public_key": "words"}, {"name": ""},
                                   {"name": "a/b"}, {"name": " a"}, {"name": "x" * 256}, {"more": 1}, {"type": "ssh"},
                                   {"public_key": "ssh-ed25519 " + "A" * 40}, {"public_key": f"# {ED25519}"},
                                   {"public_key": ED25519.replace("AAAAC3", "AAAAC4")}, {"public_key": ED25519.split()[1]},
                                   {"public_key": ED25519.replace("ssh-ed25519", "ssh-rsa")}])
async def test_what_cannot_be_is_refused(cloud, wrong):
    answer = await cloud.demo.post(P, {"keypair": {"name": name(), "public_key": ED25519, **wrong}})
    assert answer.status == 400 and "badRequest" in answer.body, answer.content


KEYS = [ED25519.rpartition(" ")[0], *(
    key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP521R1())))]
FORMS = ["{key}\n", "{key}", "{key} me", "{key} me and more\n", "{kind}  {data} two blanks", "{kind}\t{data}\tme", "  {key}\n",
         "{key}\r\n", "\n# a comment\n\n{key} me\n", 'no-pty,command="echo \\"a b\\"" {key} me', "{key} me\n{key} again\n"]


@pytest.mark.parametrize("form", FORMS)
async def test_a_key_in_any_form_that_ssh_keygen_takes_has_the_fingerprint_of_the_key(cloud, tmp_path, form):
    for key in KEYS:
        kind, data = key.split()
        text = form.format(key=key, kind=kind, data=data)
        (tmp_path / "key").write_text(text)
        told = await asyncio.to_thread(subprocess.check_output, ["ssh-keygen", "-E", "md5", "-lf", tmp_path / "key"], text=True)
        mine = await bring(cloud.demo, public_key=text)
        assert f"MD5:{mine['fingerprint']}" == told.split()[1] and mine["public_key"] == text


def test_a_hostile_key_is_refused_at_once():
    for wrong in ('"' * 200_000, '\\"' * 100_000 + "x", 'a="' + '\\"' * 100_000, "a " * 100_000, "#" * 200_000, "\n" * 200_000):
        with pytest.raises(BadRequest):
            keypairs.imported(wrong, "ssh")


async def test_names_are_unique_to_a_user(cloud):
    mine = await bring(cloud.demo)
    answer = await cloud.demo.post(P, {"keypair": {"name": mine["name"], "public_key": ED25519}})
    assert answer.status == 409 and mine["name"] in answer.body["conflictingRequest"]["message"]
    assert (await cloud.admin.post(P, {"keypair": {"name": mine["name"], "public_key": ED25519}})).status == 200


async def test_pairs_of_others(cloud):
    mine = await bring(cloud.demo)
    whose = f"?user_id={cloud.demo.user_id}"
    assert (await cloud.admin.at("2.10").get(f"{P}/{mine['name']}{whose}")).status == 200
    assert mine["name"] in str((await cloud.admin.at("2.10").get(f"{P}{whose}")).body)
    assert (await cloud.admin.at("2.9").get(f"{P}/{mine['name']}{whose}")).status == 404
    assert (await cloud.demo.at("2.10").get(f"{P}?user_id={cloud.admin.user_id}")).status == 403
    theirs = {"keypair": {"name": name(), "public_key": ED25519, "user_id": cloud.demo.user_id}}
    assert (await cloud.admin.at("2.10").post(P, theirs)).body["keypair"]["user_id"] == cloud.demo.user_id
    assert (await cloud.admin.at("2.9").post(P, theirs)).status == 400
    theirs["keypair"]["user_id"] = cloud.admin.user_id
    assert (await cloud.demo.at("2.10").post(P, theirs)).status == 403
    assert (await cloud.admin.at("2.10").delete(f"{P}/{mine['name']}{whose}")).status == 204


async def test_pages(cloud):
    user = await cloud.project_user("key-pages")
    names = sorted([(await bring(user))["name"] for _ in range(3)])
    first = (await user.at("2.35").get(f"{P}?limit=2")).body
    assert [row["keypair"]["name"] for row in first["keypairs"]] == names[:2] and "marker=" in first["keypairs_links"][0]["href"]
    rest = (await user.at("2.35").get(f"{P}?marker={names[1]}")).body
    assert [row["keypair"]["name"] for row in rest["keypairs"]] == names[2:] and "keypairs_links" not in rest
    assert (await user.at("2.35").get(f"{P}?marker=nothing")).status == 404
    assert len((await user.get(f"{P}?limit=1")).body["keypairs"]) == 3
    assert (await user.at("2.75").get(f"{P}?colour=red")).status == 400


async def test_quota(cloud):
    user = await cloud.project_user("key-quota")
    await cloud.admin.put(f"{C}/os-quota-sets/{user.project_id}", {"quota_set": {"key_pairs": 1}})
    await bring(user)
    answer = await user.post(P, {"keypair": {"name": name(), "public_key": ED25519}})
    assert answer.status == 403 and "too many key pairs" in answer.body["forbidden"]["message"]
