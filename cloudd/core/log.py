"""Logs: a sentence and facts, `log.info("server stopped", server=id)`; human lines or JSON, never a secret."""

import logging
from contextvars import ContextVar
from typing import Any

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class Log:
    """A logger whose methods take facts by keyword."""

    def __init__(self, name: str):
        self._logger = logging.getLogger(name)

    def _write(self, level: int, message: str, exc_info: Any, facts: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, message, exc_info=exc_info, extra={"facts": facts})

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
