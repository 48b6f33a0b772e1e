"""Logging setup: JSON lines, or coloured text on a terminal, with secrets redacted.

Called once by each entry point. Log records of libraries pass through the same processors, so they are redacted too.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Terminal control characters: C0 except tab and newline, and C1.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_REDACTED = "[secret]"
_log = structlog.get_logger(__name__)


def configure(role: str, secrets: Collection[str], stream: TextIO | None = sys.stdout) -> None:
    """Send all logs of this process to `stream`, with every occurrence of `secrets` redacted; nowhere if the process
    was started without stdout."""
    stream = stream or Path(os.devnull).open("w")  # noqa: SIM115
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        lambda logger, method, event: {**event, "role": role},  # new threads do not inherit context variables
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Redactor(secrets),
    ]
    last: Processor = structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer()
    handler = StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for package in ("service", "jobs", "integrations"):
        logging.getLogger(package).setLevel(logging.INFO)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class StreamHandler(logging.StreamHandler[TextIO]):
    """Drops lines while its stream cannot be written (a full disk, a closed pipe), and reports their number once that
    is over. logging's own handler prints a traceback for each."""

    _dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; called under the handler's lock."""
        before = self._dropped
        super().emit(record)
        if before and self._dropped == before:
            self._dropped = 0
            message = f"{before} log lines were dropped"
            self.emit(logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, (), None))

    def handleError(self, record: logging.LogRecord) -> None:
        """Count the line if the stream is the cause."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError | ValueError):  # ValueError: the stream is closed
            super().handleError(record)
            return
        if not self._dropped:
            with suppress(OSError, ValueError, AttributeError):  # no stderr
                sys.stderr.write(f"The log cannot be written, lines are dropped until it can: {error}\n")
        self._dropped += 1


class OutageLog:
    """Logs a repeated action that can fail: `error` its first failure only, `info` the first success after that."""

    def __init__(self, **fields: object) -> None:
        self._fields = fields
        self._is_failing = False

    def error(self, event: str, error: Exception) -> None:
        """The action failed."""
        if not self._is_failing:
            _log.error(event, reason=str(error), **self._fields)
        self._is_failing = True

    def info(self, event: str) -> None:
        """The action worked."""
        if self._is_failing:
            _log.info(event, **self._fields)
        self._is_failing = False


class Redactor:
    """A structlog processor that redacts secrets and strips control characters in nested values."""

    def __init__(self, secrets: Collection[str]) -> None:
        longest_first = sorted((one for one in secrets if one), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {key: value if key.startswith("_") else self._redact(value) for key, value in event.items()}

    def _redact(self, value: Any) -> Any:
        match value:
            case bool() | int() | float() | None:
                return value
            case dict():
                return {self._redact(key): self._redact(one) for key, one in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._redact(one) for one in value]
            case bytes():
                return self._redact(value.decode("utf-8", "backslashreplace"))
            case str():
                return _CONTROLS.sub("", self._secrets.sub(_REDACTED, value))
        return self._redact(str(value))
