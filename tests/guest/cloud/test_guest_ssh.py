"""Whatever client comes, the test guest lets it in: host keys of every kind, and scp of both protocols."""

import asyncio
import contextlib
import io
import subprocess

import paramiko
import pytest

from tests.realcloud import connect

KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")


def host_key(tenant, address, kind):
    """Log in with a client that takes one kind of host key; which key it was shown, and what `id -un` says."""
    key = paramiko.Ed25519Key.from_private_key(io.StringIO((tenant.cloud.state / "demo_key").read_text()))
    with contextlib.closing(connect(tenant.cloud.host, address, 22)) as door, paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        # an RSA key is made when it is first asked for, under emulation
        client.connect(address, username="cirros", pkey=key, sock=door, timeout=150, banner_timeout=60, auth_timeout=60, allow_agent=False,
                       look_for_keys=False, disabled_algorithms={"keys": [one for one in KINDS if one != kind]})
        _, out, _ = client.exec_command("id -un", timeout=30)
        return client.get_transport().get_remote_server_key().get_name(), out.read().decode().strip()


@pytest.mark.parametrize(("kind", "name"), [("rsa-sha2-256", "ssh-rsa"),
                                            ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"), ("ssh-ed25519", "ssh-ed25519")])
async def test_the_guest_lets_in_clients_that_want_one_kind_of_host_key(tenant, guest, kind, name):
    await guest.boot_id()
    assert await asyncio.to_thread(host_key, tenant, guest.address, kind) == (name, "cirros")


@pytest.mark.parametrize("protocol", ["-O", "-s"])
async def test_files_go_in_and_come_out_by_scp(tenant, guest, tmp_path, protocol):
    """-O is the protocol of scp itself, which Go's clients speak; -s is SFTP, today's default."""
    await guest.boot_id()
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(bytes(range(256)) * 300)

    async def scp(*paths):
        told = await asyncio.to_thread(subprocess.run, [
            *tenant.cloud.enter, "scp", protocol, "-q", "-i", str(tenant.cloud.state / "demo_key"), "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", *paths], capture_output=True, text=True, timeout=120, check=False)
        assert told.returncode == 0, told.stderr
    await scp(str(sent), f"cirros@{guest.address}:/tmp/by-scp")
    assert int(await guest.run("wc -c < /tmp/by-scp")) == sent.stat().st_size
    await scp(f"cirros@{guest.address}:/tmp/by-scp", str(back))
    assert back.read_bytes() == sent.read_bytes()
