"""`openstack`, unmodified, run inside this process."""

import contextlib
import io
import json
import logging
import shlex
from typing import Any

import pytest
from openstackclient import shell
from osc_lib import clientmanager


def forget_clients() -> None:
    """The command keeps its clients, with their user and token, on a class: for one process, one command."""
    for attribute in vars(clientmanager.ClientManager).values():
        if isinstance(attribute, clientmanager.ClientCache):
            attribute._handle = None


class Failed(AssertionError):
    """The command ended with an error; str() is what it printed."""


def run(arguments: list[str]) -> tuple[object, str, str]:
    """`openstack ARGUMENTS`: its status, nothing when all went well, and what it printed and complained of."""
    forget_clients()
    root, out, err = logging.getLogger(), io.StringIO(), io.StringIO()
    kept, root.handlers = root.handlers, []             # as in a process of its own; the command adds handlers and leaves them
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = shell.main(arguments)
    except SystemExit as exc:                           # argparse, for a wrong call
        status = exc.code
    finally:
        root.handlers = kept
    return status, out.getvalue(), err.getvalue()


class Cli:
    """`openstack --os-cloud CLOUD ...`."""

    def __init__(self, cloud: str):
        self.cloud = cloud

    def __call__(self, line: str, *more: object) -> str:
        """Run it; what it printed. Raises Failed when it ends with an error."""
        status, out, err = run(["--os-cloud", self.cloud, *shlex.split(line), *map(str, more)])
        if status:
            raise Failed(f"openstack {line} {' '.join(map(str, more))}: status {status}\n{out}{err}")
        return out

    def json(self, line: str, *more: object) -> Any:
        return json.loads(self(line, *more, "-f", "json"))

    def value(self, line: str, column: str, *more: object) -> str:
        return self(line, *more, "-f", "value", "-c", column).strip()

    def fails(self, line: str, *more: object) -> str:
        """Run it where it must fail; what it printed."""
        with pytest.raises(Failed) as caught:
            self(line, *more)
        return str(caught.value)
