from __future__ import annotations

import io
import json
import logging as standard
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from jobs.runtime import logging

SECRETS = ["hush-hush", "hush-hush-longer"]


class Output(io.StringIO):
    @property
    def line(self) -> dict[str, Any]:
        (text,) = self.getvalue().splitlines()
        return dict(json.loads(text))


@pytest.fixture
def output() -> Iterator[Output]:
    root = standard.getLogger()
    before = root.handlers[:], root.level
    written = Output()
    logging.configure("worker", SECRETS, written)
    yield written
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def log() -> structlog.stdlib.BoundLogger:
    return structlog.stdlib.get_logger("jobs.test")


def test_log_line_is_json_with_event_level_role_logger_and_time(output: Output) -> None:
    log().info("moved", ticket="ENG-1")
    line = output.line
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "moved", "ticket": "ENG-1", "level": "info", "logger": "jobs.test", "role": "worker"}


@pytest.mark.parametrize(
    "value",
    ["a hush-hush b", ["hush-hush"], {"deep": ("x", {"hush-hush": 1})}, b"hush-hush", ValueError("hush-hush")],
    ids=["text", "list", "dict", "bytes", "object"],
)
def test_secret_is_redacted_in_every_value(output: Output, value: object) -> None:
    log().warning("hush-hush", given=value)
    assert "hush" not in output.getvalue()
    assert output.line["event"] == "[secret]"


def test_secret_in_a_traceback_is_redacted(output: Output) -> None:
    try:
        raise RuntimeError("the server said hush-hush")
    except RuntimeError:
        log().exception("failed")
    assert "the server said [secret]" in output.line["exception"]


def test_secret_that_contains_another_is_redacted_whole(output: Output) -> None:
    log().info("hush-hush-longer")
    assert output.line["event"] == "[secret]"


def test_library_log_lines_are_redacted_too(output: Output) -> None:
    standard.getLogger("urllib3").warning("retry with %s", "hush-hush")
    assert output.line["event"] == "retry with [secret]"
    assert output.line["role"] == "worker"


def test_library_log_lines_below_warning_are_dropped(output: Output) -> None:
    standard.getLogger("urllib3").info("chatter")
    assert output.getvalue() == ""


def test_terminal_control_characters_are_stripped(output: Output) -> None:
    log().info("title", text="\x1b[2Jgone\x07\x9b1m\r\nnext\ttab")
    assert output.line["text"] == "[2Jgone1m\nnext\ttab"
