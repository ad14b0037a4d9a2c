"""A plugin for the openstack command's own tests: they start a process for each of some thousand commands; here it is a call."""

import shlex

import openstack_cli
from openstackclient.tests.functional import base
from tempest.lib.exceptions import CommandFailed


def execute(cmd: str, *, fail_ok: bool = False) -> str:
    """What the command prints. Raises CommandFailed, as the one that this stands for."""
    status, out, err = openstack_cli.run(shlex.split(cmd)[1:])
    if status and not fail_ok:
        raise CommandFailed(status, cmd, out, err)
    return out


base.execute = execute
