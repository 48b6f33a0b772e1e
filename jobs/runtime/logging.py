"""How log lines look: JSON where a machine reads them, colour where a person does, never a secret in either.

Called once by each entry point. Lines of libraries go the same way as ours, so that they are blacked out too.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Collection
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Everything below a space but tab and newline, and the C1 range: what would drive a terminal.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BLACKED_OUT = "[secret]"


def configure(role: str, secrets: Collection[str], stream: TextIO = sys.stdout) -> None:
    """Send all logs of this process to `stream`; `secrets` are texts that must never appear."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _Role(role),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Cleaner(secrets),
    ]
    last: Processor = structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for ours in ("service", "jobs", "integrations"):
        logging.getLogger(ours).setLevel(logging.INFO)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class _Role:
    """Names the process in every line; not a context variable, because threads start without those."""

    def __init__(self, role: str) -> None:
        self._role = role

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event["role"] = self._role
        return event


class Cleaner:
    """A structlog processor that blacks out secrets and strips control characters, however deep they lie."""

    def __init__(self, secrets: Collection[str]) -> None:
        longest_first = sorted((one for one in secrets if one), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {key: value if key.startswith("_") else self._clean(value) for key, value in event.items()}

    def _clean(self, value: Any) -> Any:
        match value:
            case bool() | int() | float() | None:
                return value
            case dict():
                return {self._clean(key): self._clean(one) for key, one in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._clean(one) for one in value]
            case bytes():
                return self._clean(value.decode("utf-8", "backslashreplace"))
            case str():
                return _CONTROLS.sub("", self._secrets.sub(_BLACKED_OUT, value))
        return self._clean(str(value))
