"""Runs OpenStack's Tempest against cloudd and keeps the result test by test: `make conformance [TESTS=regex] [CLOUD=name]`.

Without CLOUD it brings up a cloud of its own in network namespaces and takes it down again. With CLOUD it uses that cloud of
clouds.yaml as it is. Without TESTS it runs the chosen part below. Outcomes stand in tests/conformance/results/NAME.tsv.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import tempest

from tests.conformance import cloud, plan, prepare, results

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "tests" / "conformance" / "results"
IMAGE = os.environ.get("CLOUDD_TEST_IMAGE", str(ROOT / "build" / "testguest" / "testguest.qcow2"))
TEMPEST = Path(tempest.__file__).resolve().parent
# Tests of one class share their projects and servers: they stay in one worker
BY_CLASS = r"([^\.]*\.)*"
SMOKE = re.compile(r"\[.*\bsmoke\b.*\]")
CHOSEN_SMOKE = re.compile(r"^tempest\.api\.(identity|image|network|compute)\.")
CHOSEN = re.compile(r"^tempest\.scenario\.(test_server_basic_ops\.|test_security_groups_basic_ops\."
                    r"|test_network_basic_ops\.TestNetworkBasicOps\.test_network_basic_ops\b)")


def choose(tests: list[str], pattern: str | None, smoke: bool) -> list[str]:
    """The ids to run: those the pattern finds, or the chosen part."""
    if pattern is None:
        return [one for one in tests if CHOSEN.search(one) or (CHOSEN_SMOKE.search(one) and SMOKE.search(one))]
    found = re.compile(pattern)
    return [one for one in tests if found.search(one) and (not smoke or SMOKE.search(one))]


class Stestr:
    """The test runner, with a repository of its own for one run."""

    def __init__(self, work: Path, configuration: Path):
        self.work = work
        self.environment = {**os.environ, "HOME": str(work), "TEMPEST_CONFIG_DIR": str(configuration.parent),
                            "TEMPEST_CONFIG": configuration.name, "PYTHONWARNINGS": "ignore"}
        if not (work / ".stestr").exists():
            self("init")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "stestr", "--test-path", str(TEMPEST / "test_discover"), "--top-dir", str(TEMPEST),
                "--repo-url", str(self.work), "--group-regex", BY_CLASS, *arguments]

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), cwd=self.work, env=self.environment, check=False, text=True,
                              capture_output=True)

    def tests(self) -> list[str]:
        done = self("list")
        tests = [line for line in done.stdout.splitlines() if "." in line and " " not in line]
        if done.returncode or not tests:
            raise SystemExit(f"conformance: Tempest lists no tests:\n{done.stdout}{done.stderr}")
        return tests

    def run(self, tests: list[str], concurrency: int) -> list[results.Result]:
        """Run them; a line for each as it ends, the whole of each failure in failures.txt."""
        wanted = self.work / "tests.txt"
        wanted.write_text("\n".join(tests) + "\n")
        command = self.command("run", "--subunit", "--concurrency", str(concurrency), "--load-list", str(wanted))
        with (self.work / "stestr.log").open("wb") as log, (self.work / "failures.txt").open("w") as failures, \
                subprocess.Popen(command, cwd=self.work, env=self.environment, stdout=subprocess.PIPE, stderr=log) as process:
            return results.read(process.stdout, failures, report)


def report(result: results.Result) -> None:
    print(f"{result.outcome:4} {result.seconds:6.1f} s  {result.test}", flush=True)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def http_server(folder: Path) -> Iterator[str]:
    """The image over HTTP, for the tests that let the image service fetch it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def test(options: argparse.Namespace) -> int:
    """Run against the cloud named in clouds.yaml; the exit status is 1 when a test failed."""
    work = Path(options.work or tempfile.mkdtemp(prefix="cloudd-conformance-"))
    work.mkdir(parents=True, exist_ok=True)
    image = Path(options.image).resolve()
    with http_server(image.parent) as address:
        target = prepare.target(options.cloud, image, f"{address}/{image.name}", not options.simulated,
                                frozenset(options.without), options.loose)
        for missing in sorted(set(plan.PROJECTS) - target.services):
            print(f"conformance: no {missing} service: its tests are skipped", flush=True)
        stestr = Stestr(work, plan.write(target, work))
        tests = choose(stestr.tests(), options.tests, options.smoke)
        if not tests:
            raise SystemExit(f"conformance: no test matches {options.tests!r}")
        print(f"conformance: {len(tests)} tests; log in {work}/tempest.log, tracebacks in failures.txt", flush=True)
        settled = results.settle(tests, stestr.run(tests, options.concurrency))
    path = RESULTS / f"{options.name}.tsv"
    results.write(settled, path)
    print(results.summary(settled), f"\nkept in {path}")
    return int(any(one.outcome == "fail" for one in settled))


def own_cloud(options: argparse.Namespace, arguments: list[str]) -> int:
    """Bring up a cloud, run this program inside its host namespace against it, take it down."""
    work = Path(options.work or tempfile.mkdtemp(prefix="cloudd-conformance-"))
    with cloud.running(work, options.port, options.simulated, Path(options.image).resolve(), options.loose) as own:
        command = [*own.enter, sys.executable, "-m", "tests.conformance.run", *arguments, "--cloud", "admin",
                   "--work", str(work / "tempest")]
        environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(own.clouds)}
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make conformance", description="OpenStack's Tempest against cloudd.")
    parser.add_argument("--tests", help="regular expression on test ids (default: the chosen part)")
    parser.add_argument("--smoke", action="store_true", help="of these only the tests tagged smoke")
    parser.add_argument("--list", action="store_true", help="only say which tests would run")
    parser.add_argument("--cloud", help="a cloud of clouds.yaml, with administrator rights (default: bring up one)")
    parser.add_argument("--image", default=IMAGE, help="the test guest's qcow2 file")
    parser.add_argument("--simulated", action="store_true", help="over simulated drivers: no guest is reached by ssh")
    parser.add_argument("--without", action="append", default=[], choices=sorted(plan.PROJECTS), help="skip this service's tests")
    parser.add_argument("--loose", action="store_true", help="image data may be of another format than its image's, and is not hashed "
                        "where it lies elsewhere (tests of Tempest that send any bytes as any format)")
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--name", help="of the result file (default: made from --tests)")
    parser.add_argument("--port", type=int, default=5000, help="of the cloud that is brought up")
    parser.add_argument("--work", help="folder for logs and state (default: a new one in /tmp)")
    options = parser.parse_args(arguments)
    options.tests = options.tests or None
    if not options.name:
        options.name = re.sub(r"[^A-Za-z0-9]+", "-", options.tests).strip("-")[:60] if options.tests else "chosen"
    if not options.list and not Path(options.image).is_file():
        parser.error(f"{options.image} is missing; `make guest` builds it")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    if options.list:
        with tempfile.TemporaryDirectory() as work:
            print("\n".join(sorted(choose(Stestr(Path(work), Path(work, "none")).tests(), options.tests, options.smoke))))
        return 0
    return test(options) if options.cloud else own_cloud(options, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
