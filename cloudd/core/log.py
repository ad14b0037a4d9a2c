"""Logs: a sentence and facts, `log.info("server stopped", server=id)`; human lines or JSON, never a secret.

What looks like a secret is masked wherever it comes from: by the name of the fact, and by its form (Fernet tokens, key
blocks, passwords in URLs and JSON). What would break a line, or steer the terminal of who reads it, is written as an escape: callers
choose parts of what is logged, and must not write lines of their own.
"""

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

MASK = "***"
_SECRET_NAME = re.compile(r"pass|secret|token(?!s\b|_id)|private|credential|authorization|cookie|payload", re.IGNORECASE)
_SECRET_FORM = (
    (re.compile(r"gAAAA[\w\-=]{20,}"), MASK),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL), MASK),
    (re.compile(r"(\"(?:\w*pass\w*|secret|blob|payload|private_key)\"\s*:\s*)\"[^\"]*\"", re.IGNORECASE), rf'\1"{MASK}"'),
    (re.compile(r"((?:password|token|secret|signature)=)[^&\s]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"([?&](?:code|state)=)[^&\s]+"), rf"\1{MASK}"),
    (re.compile(r"(://[^/:@\s]+:)[^@/\s]+@"), rf"\1{MASK}@"),
)
_OURS = "facts"
_ROOT = "cloudd"
_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    """The text with control characters, line breaks and what turns the direction of writing as escapes."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text) if _STEERING.search(text) else text


def redact(text: str) -> str:
    """The text with everything that has the form of a secret masked."""
    for form, mask in _SECRET_FORM:
        text = form.sub(mask, text)
    return text


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts = {name: value for name, value in getattr(record, _OURS, {}).items() if value is not None}
    current = request_id.get()
    if current and "request_id" not in facts:
        facts["request_id"] = current
    return {name: MASK if _SECRET_NAME.search(name) else value for name, value in facts.items()}


class Human(logging.Formatter):
    """`2026-01-31 12:00:00.123 INFO cloudd.daemon ready listen=127.0.0.1:5000`"""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        facts = "".join(f" {name}={value!r}" if isinstance(value, str) and " " in value else f" {name}={value}"
                        for name, value in _facts(record).items())
        text = one_line(redact(f"{moment} {record.levelname} {record.name} {record.getMessage()}{facts}"))
        if record.exc_info and record.exc_info[1] is not None:
            lines = redact(self.formatException(record.exc_info)).splitlines()
            text += "".join(f"\n  {one_line(line)}" for line in lines)        # indented: none of them looks like a line of ours
        return text


class Json(logging.Formatter):
    """One JSON object a line: time, level, logger, message and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {"time": datetime.fromtimestamp(record.created, UTC).isoformat(), "level": record.levelname.lower(),
                 "logger": record.name, "message": redact(record.getMessage()),
                 **{name: redact(value) if isinstance(value, str) else value for name, value in _facts(record).items()}}
        if record.exc_info and record.exc_info[1] is not None:
            entry["traceback"] = redact(self.formatException(record.exc_info))
        return json.dumps(entry, default=str)


def setup(form: str = "human", level: str = "info") -> None:
    """Log to standard error, where systemd and the shell expect it. `debug` is for cloudd's own lines, not for its libraries'."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if form == "json" else Human())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel("INFO" if level == "debug" else level.upper())
    logging.getLogger(_ROOT).setLevel(level.upper())
    for noisy in ("asyncio", "alembic", "aiohttp.access", "pyroute2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def levels(prefix: str = "") -> dict[str, str]:
    """The least severity that cloudd's own loggers let through, by their names, those that begin so."""
    return {name: logging.getLevelName(logging.getLogger(name).getEffectiveLevel()) for name in _own(prefix)}


def set_levels(prefix: str, level: str) -> None:
    """Let cloudd's own loggers whose names begin so write from this severity on, until the daemon starts again. Libraries keep
    theirs: what they write of their work may hold secrets."""
    for name in _own(prefix):
        logging.getLogger(name).setLevel(level)


def _own(prefix: str) -> list[str]:
    names = {_ROOT, *(name for name in logging.root.manager.loggerDict if name.startswith(f"{_ROOT}."))}
    return sorted(name for name in names if name.startswith(prefix))


class Log:
    """A logger whose methods take facts by keyword."""

    def __init__(self, name: str):
        self._logger = logging.getLogger(name)

    def _write(self, level: int, message: str, exc_info: Any, facts: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, message, exc_info=exc_info, extra={_OURS: facts})

    def debug(self, message: str, *, exc_info: Any = None, **facts: Any) -> None:
        self._write(logging.DEBUG, message, exc_info, facts)

    def info(self, message: str, *, exc_info: Any = None, **facts: Any) -> None:
        self._write(logging.INFO, message, exc_info, facts)

    def warning(self, message: str, *, exc_info: Any = None, **facts: Any) -> None:
        self._write(logging.WARNING, message, exc_info, facts)

    def error(self, message: str, *, exc_info: Any = None, **facts: Any) -> None:
        self._write(logging.ERROR, message, exc_info, facts)


def get(name: str) -> Log:
    return Log(name)
