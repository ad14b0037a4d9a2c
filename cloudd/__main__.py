"""The command: serve, and what prepares or shows it. `cloudd help` lists the rest."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cloudd", description="An OpenStack-compatible cloud in one process.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run the cloud")
    serve.add_argument("--simulated", action="store_true", help="simulated hypervisor and network: no root, no libvirt")
    for name in (serve,):
        name.add_argument("--config", type=Path)
        name.add_argument("--state-dir")
        name.add_argument("--listen")
    return parser


def _serve(options: argparse.Namespace) -> int:
    from cloudd import daemon, settings
    from cloudd.core import database

    values = settings.load(options.config, state_dir=options.state_dir, listen=options.listen, simulated=options.simulated)
    if values.database.url.startswith("sqlite") and not (Path(values.server.state_dir) / "cloudd.db").exists():
        database.upgrade(values.database.url)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(daemon.serve(values))


def main() -> int:
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return _serve(options)


if __name__ == "__main__":
    sys.exit(main())
