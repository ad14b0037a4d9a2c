"""`openstack secret` commands (python-barbicanclient's plugin), and the SDK's key manager."""

import base64
from collections.abc import Callable
from pathlib import Path

import openstack
import pytest
from openstack_cli import Cli

Later = Callable[..., None]


@pytest.fixture
def secret(demo: Cli, name: str, later: Later) -> str:
    ref = demo.value("secret store --payload s3kr1t", "Secret href", "--name", name)
    later(demo, "secret delete --force", ref)
    return ref


def test_store_get_list_delete(demo: Cli, name: str, secret: str) -> None:
    assert "/key-manager/v1/secrets/" in secret
    shown = demo.json("secret get", secret)
    assert shown["Name"] == name and shown["Status"] == "ACTIVE" and shown["Secret type"] == "opaque" and shown["Algorithm"] == "aes"
    assert shown["Bit length"] == 256 and shown["Mode"] == "cbc" and shown["Expiration"] is None
    assert shown["Content types"] == {"default": "application/octet-stream"}
    assert demo.value("secret get --decrypt", "Payload", secret) == "s3kr1t"
    assert [row["Secret href"] for row in demo.json("secret list --name", name)] == [secret]
    assert demo.json("secret list --secret-type symmetric --name", name) == []
    assert [row["Name"] for row in demo.json("secret list --algorithm aes --mode cbc --bit-length 256 --limit 100 --name", name)] == [name]
    demo("secret delete", secret)
    assert "404" in demo.fails("secret get", secret) or "Not Found" in demo.fails("secret get", secret)


def test_by_its_id_alone(demo: Cli, secret: str, name: str) -> None:
    assert demo.json("secret get", secret.rpartition("/")[2])["Name"] == name


def test_files_of_octets_come_back_bit_by_bit(demo: Cli, name: str, tmp_path: Path, later: Later) -> None:
    data = bytes(range(256)) * 10
    (tmp_path / "key").write_bytes(data)
    ref = demo.value("secret store --secret-type symmetric --algorithm aes --bit-length 256 --mode xts", "Secret href", "--file",
                     tmp_path / "key", "--name", name)
    later(demo, "secret delete", ref)
    demo("secret get --payload_content_type application/octet-stream", ref, "--file", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


def test_two_steps(demo: Cli, name: str, later: Later) -> None:
    ref = demo.value("secret store --secret-type passphrase --expiration 2999-01-01T00:00:00", "Secret href", "--name", name)
    later(demo, "secret delete", ref)
    assert demo.json("secret get", ref)["Content types"] is None
    demo("secret update", ref, "of two steps")
    assert demo.value("secret get --payload", "Payload", ref) == "of two steps"
    assert "409" in demo.fails("secret update", ref, "again") or "already has data" in demo.fails("secret update", ref, "again")
    assert demo.json("secret get", ref)["Expiration"].startswith("2999-01-01T00:00:00")


def test_consumers(demo: Cli, secret: str) -> None:
    who = "--service-type-name image --resource-type image --resource-id 5"
    demo(f"secret consumer create {who}", secret)
    assert [row["Resource id"] for row in demo.json("secret consumer list", secret)] == ["5"]
    assert "consumers" in demo.fails("secret delete", secret)
    demo(f"secret consumer delete {who}", secret)
    assert demo.json("secret consumer list", secret) == []
    demo("secret delete", secret)


def test_what_is_wrong_is_said(demo: Cli, admin: Cli, secret: str) -> None:
    assert "bogus" in demo.fails("secret store --secret-type bogus")
    assert "expiration" in demo.fails("secret store --expiration 2001-01-01")
    nobody = secret.rpartition("/")[0] + "/00000000-0000-4000-8000-000000000000"
    assert "Secret not found" in demo.fails("secret get", nobody)
    assert "secret:decrypt" in admin.fails("secret get --payload", secret)                # another project's, even for an administrator


def test_openstacksdk(name: str) -> None:
    keys = openstack.connect(cloud="demo").key_manager
    made = keys.create_secret(name=name, payload=base64.b64encode(b"\x00\xff").decode(), payload_content_type="application/octet-stream",
                              payload_content_encoding="base64", secret_type="symmetric", algorithm="aes", bit_length=256, mode="xts")
    assert made.secret_id in made.secret_ref
    found = keys.get_secret(made.secret_id)
    assert (found.name, found.payload, found.bit_length) == (name, b"\x00\xff", 256)
    assert [one.secret_id for one in keys.secrets(name=name)] == [made.secret_id]
    more = [keys.create_secret(name=f"{name}-{number:02}") for number in range(25)]
    assert sorted(one.secret_id for one in keys.secrets(name=f"{name}-%")) == sorted(one.secret_id for one in more)         # over pages
    assert keys.find_secret(made.secret_id).name == name
    for one in (made, *more):
        keys.delete_secret(one.secret_id)
    assert list(keys.secrets(name=f"{name}%")) == []
