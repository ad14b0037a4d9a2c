"""The command: serve, and what prepares, shows and checks it."""

import argparse
import asyncio
import ctypes
import gc
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cloudd import __version__
from cloudd.core.errors import StartError

if TYPE_CHECKING:
    from cloudd.settings import Settings

PR_SET_DUMPABLE = 4                     # linux/prctl.h


def keep_out_of_core_dumps() -> None:
    """What is in this process's memory, keys and passwords among it, is written to no core file and piped to no collector of them."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)      # the limit does not go for collectors


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cloudd", description="An OpenStack-compatible cloud in one process.")
    common = _common(None)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, **options: object) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[common])

    command("serve", "run the cloud")
    init = command("init", "fill a running cloud with what a first user needs")
    init.add_argument("--guest-image", type=Path, help="qcow2 file of the test guest")
    init.add_argument("--no-guest", action="store_true", help="boot no first guest")
    doctor = command("doctor", "check what this host needs, and say what mends it")
    doctor.add_argument("--json", action="store_true")
    database = _nested(command("db", "the database"), ("upgrade", "run the migrations that are missing"),
                       ("revision", "write a migration from the models (for developers)"))
    database["revision"].add_argument("--message", required=True)
    _nested(command("config", "the configuration"), ("show", "the values in force, secrets masked"),
            ("sample", "a file with every option explained"),
            ("sample-providers", "the same for the OpenID providers of [federation] providers_file"))
    jobs = _nested(command("jobs", "long operations"), ("list", "those that are not finished, and the last that are"))
    jobs["list"].add_argument("--all", action="store_true", help="the finished ones as well")
    audit = command("audit", "who did what: logins, changes, refused requests")
    audit.add_argument("--user", help="id of who did it")
    audit.add_argument("--resource", help="id of what it was done to")
    audit.add_argument("--event", help="beginning of the event's name, as identity.role_assignment")
    audit.add_argument("--since", help="time, as 2026-01-31T12:00:00")
    audit.add_argument("--failures", action="store_true", help="only what was refused")
    audit.add_argument("--limit", type=int, default=100, help="most lines (the newest)")
    audit.add_argument("--json", action="store_true", help="one JSON object a line, with everything")
    image = _nested(command("image", "official cloud images"), ("catalogue", "those that are known"),
                    ("fetch", "download one, check it, register it"))
    image["fetch"].add_argument("name")
    image["fetch"].add_argument("--cloud", default="admin", help="cloud of clouds.yaml to register it with")
    identity = _nested(command("identity", "accounts and keys, from the host"),
                       ("bootstrap", "give the administrator a new password and all that is his"),
                       ("keys", "the keys of tokens"), ("credential-keys", "the keys of stored secrets"))
    identity["bootstrap"].add_argument("--password-file", help="file with the password, - for standard input (default: a random one)")
    _nested(identity["keys"], ("rotate", "make a new token key; tokens given out stay valid"), into="step")
    _nested(identity["credential-keys"], ("rotate", "make a new key and seal every stored secret with it"),
            ("migrate", "finish a rotation that was broken off"), into="step")
    _nested(command("key-manager", "the key that stored secrets hang on, from the host"),
            ("rewrap", "make a new master key and wrap every project's key with it; broken off, run it again"))
    command("purge", "destroy the guests and networks of this cloud on this machine")
    commands.add_parser("routes", help="every operation: method, path, action, versions, policy, file")
    commands.add_parser("version", help="the version")
    return parser


def _common(default: object) -> argparse.ArgumentParser:
    """The options of every command; they may stand before its action or after it, where `default` must not undo the former."""
    common = argparse.ArgumentParser(add_help=False, argument_default=default)
    common.add_argument("--config", type=Path, help="configuration file (default: /etc/cloudd/cloudd.conf where there is one)")
    common.add_argument("--state-dir", help="directory of everything that must survive")
    common.add_argument("--listen", help="HOST:PORT to listen on")
    common.add_argument("--simulated", action="store_const", const=True, help="simulated hypervisor and network: no root, no libvirt")
    return common


def _nested(parent: argparse.ArgumentParser, *children: tuple[str, str], into: str = "action") -> dict[str, argparse.ArgumentParser]:
    actions = parent.add_subparsers(dest=into, required=True, metavar="ACTION")
    common = _common(argparse.SUPPRESS)
    return {name: actions.add_parser(name, help=text, description=text, parents=[common]) for name, text in children}


def _settings(options: argparse.Namespace) -> "Settings":
    from cloudd import settings

    return settings.load(options.config, state_dir=options.state_dir, listen=options.listen, simulated=bool(options.simulated))


def _serve(options: argparse.Namespace) -> int:
    gc.disable()                       # importing makes 100,000 objects and no garbage; the daemon turns it on when it is ready
    from cloudd import daemon
    from cloudd.core import database, log

    values = _settings(options)
    log.setup(values.server.log_format, values.server.log_level)
    if values.database.url == f"sqlite:///{Path(values.server.state_dir).absolute()}/cloudd.db" \
            and not (Path(values.server.state_dir) / "cloudd.db").exists():
        database.upgrade_aside(values.database.url)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(daemon.serve(values))


def _init(options: argparse.Namespace) -> int:
    from cloudd.cli import init

    return asyncio.run(init.run(_settings(options), options.guest_image, not options.no_guest))


def _db(options: argparse.Namespace) -> int:
    from cloudd.core import database

    if options.action == "revision":
        database.revision(options.message)
        return 0
    database.upgrade(_settings(options).database.url)
    print("the database is at schema", database.head_revision())
    return 0


def _config(options: argparse.Namespace) -> int:
    from cloudd import settings

    if options.action == "sample-providers":
        from cloudd.identity.federation import oidc_settings

        print(oidc_settings.sample(), end="")
    else:
        print(settings.sample() if options.action == "sample" else settings.effective(_settings(options)), end="")
    return 0


def _jobs(options: argparse.Namespace) -> int:
    from cloudd.cli import jobs

    return asyncio.run(jobs.show(_settings(options), options.all))


def _audit(options: argparse.Namespace) -> int:
    from cloudd.cli import audit

    asked = audit.Asked(options.user, options.resource, options.event, options.since, options.failures, options.limit)
    return asyncio.run(audit.show(_settings(options), asked, options.json))


def _image(options: argparse.Namespace) -> int:
    from cloudd.cli import image

    if options.action == "catalogue":
        return image.catalogue()
    return asyncio.run(image.fetch(_settings(options), options.name, options.cloud))


def _identity(options: argparse.Namespace) -> int:
    from cloudd.cli import identity

    settings = _settings(options)
    if options.action == "bootstrap":
        return identity.bootstrap(settings, options.password_file)
    if options.action == "keys":
        return identity.token_keys(settings)
    return identity.credential_keys_rotate(settings) if options.step == "rotate" else identity.credential_keys_migrate(settings)


def _key_manager(options: argparse.Namespace) -> int:
    from cloudd.cli import key_manager

    return key_manager.rewrap(_settings(options))


def _doctor(options: argparse.Namespace) -> int:
    from cloudd.cli import doctor

    return doctor.run(_settings(options), options.json)


def _purge(options: argparse.Namespace) -> int:
    from cloudd.cli import purge

    return asyncio.run(purge.run(_settings(options)))


def _routes(options: argparse.Namespace) -> int:
    from cloudd.cli import routes

    return routes.show()


def _version(options: argparse.Namespace) -> int:
    print(f"cloudd {__version__}")
    return 0


COMMANDS = {"serve": _serve, "init": _init, "db": _db, "config": _config, "jobs": _jobs, "audit": _audit, "image": _image,
            "identity": _identity, "key-manager": _key_manager, "doctor": _doctor, "purge": _purge, "routes": _routes,
            "version": _version}


def main() -> int:
    """Run the command line; expected failures are one line, not a traceback."""
    keep_out_of_core_dumps()
    options = _parser().parse_args()
    if options.command == "version":
        return _version(options)
    try:
        return COMMANDS[options.command](options)
    except (StartError, OSError) as exc:
        print(f"cloudd {options.command}: {exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
