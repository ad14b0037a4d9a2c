"""The outcome of a run, test by test: read from stestr's subunit stream, written as a table, summed up."""

import csv
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

import subunit
from testtools import StreamToDict

OUTCOMES = {"success": "pass", "xfail": "pass", "skip": "skip", "fail": "fail", "uxsuccess": "fail", "inprogress": "fail"}
COLUMNS = ("test", "outcome", "seconds", "reason")
CLASS_STEP = re.compile(r"(setUpClass|tearDownClass) \(([^)]*)\)")


@dataclass(frozen=True)
class Result:
    test: str
    outcome: str                               # pass, fail or skip
    seconds: float
    reason: str


def name_of(test_id: str) -> str:
    """A test's name without its tags."""
    return test_id.split("[", 1)[0]


def read(stream: BinaryIO, failures: TextIO, ended: Callable[[Result], None]) -> list[Result]:
    """All results in a subunit stream, told as they come; the texts of failures go to `failures`."""
    found: list[Result] = []

    def take(test: dict) -> None:
        if test["status"] not in OUTCOMES:              # stestr first says which tests there are
            return
        texts = {name: detail.as_text() for name, detail in test["details"].items() if detail.content_type.type == "text"}
        found.append(_result(test, texts))
        ended(found[-1])
        if found[-1].outcome == "fail":
            failures.write(f"==== {test['id']}\n" + "".join(f"{text.strip()}\n" for text in texts.values()) + "\n")

    target = StreamToDict(take)
    target.startTestRun()
    subunit.ByteStreamToStreamResult(stream, non_subunit_name="output").run(target)
    target.stopTestRun()
    return found


def _result(test: dict, texts: dict[str, str]) -> Result:
    begin, end = test["timestamps"]
    seconds = (end - begin).total_seconds() if begin and end else 0.0
    outcome = OUTCOMES.get(test["status"], "fail")
    reason = texts.get("reason", "") if outcome == "skip" else failure(texts) if outcome == "fail" else ""
    return Result(name_of(test["id"]), outcome, seconds, " ".join(reason.split("\n", 1)[0].split())[:400])


def failure(texts: dict[str, str]) -> str:
    """The line that says what went wrong: the exception below the first traceback."""
    trace = next((text for name, text in sorted(texts.items()) if name.startswith("traceback")), "")
    lines = trace.splitlines()
    begin = next((number for number, line in enumerate(lines) if line.startswith("Traceback")), None)
    if begin is None:
        return next((line for line in lines if line.strip()), "no details")
    said = [line for line in lines[begin + 1:] if line.strip() and not line.startswith(" ")]
    details = [line.strip() for line in lines if line.startswith("Details:") and line.strip() != "Details:"]
    return " ".join([*said[:1], *(line for line in details[:1] if line not in said[:1])]) or "no details"


def settle(wanted: list[str], found: list[Result]) -> list[Result]:
    """One result for each wanted test. A class that could not be set up reports no test: its tests failed, or were skipped."""
    steps = {match[2]: result for result in found if (match := CLASS_STEP.match(result.test)) and match[1] == "setUpClass"}
    cleanups = [result for result in found if result.test.startswith("tearDownClass") and result.outcome == "fail"]
    by_name = {result.test: result for result in found}
    settled = []
    for name in sorted({name_of(one) for one in wanted}):
        step = steps.get(name.rsplit(".", 1)[0])
        if name in by_name:
            settled.append(by_name[name])
        elif step:
            settled.append(Result(name, step.outcome, 0.0, f"setUpClass: {step.reason}"))
        else:
            settled.append(Result(name, "fail", 0.0, "did not run"))
    return settled + cleanups


def write(results: list[Result], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as handle:
        table = csv.writer(handle, delimiter="\t", quoting=csv.QUOTE_NONE, escapechar="\\", lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows((one.test, one.outcome, f"{one.seconds:.1f}", one.reason) for one in results)


def summary(results: list[Result]) -> str:
    """Failures first, then how many of which."""
    lines = [f"FAILED  {one.test}\n        {one.reason}" for one in results if one.outcome == "fail"]
    lines += [f"skipped {one.test}: {one.reason}" for one in results if one.outcome == "skip"]
    parts = sorted({".".join(one.test.split(".")[:3]) for one in results})
    for part in parts:
        counts = Counter(one.outcome for one in results if one.test.startswith(part + "."))
        lines.append(f"{part:32} " + ", ".join(f"{counts[kind]} {kind}" for kind in ("pass", "fail", "skip") if counts[kind]))
    counts = Counter(one.outcome for one in results)
    lines.append(f"{len(results)} tests: {counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped")
    return "\n".join(lines)
