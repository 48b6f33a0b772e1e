"""The result of one command in the sandbox. A value only: `command_evidence` and `environment_problems` judge it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CommandRun:
    """One run of a command in the sandbox."""

    exit_code: int
    output: str
    digest: str
    seconds: float
    timed_out: bool = False
    timeout: float = 0.0
    """Its time limit in seconds."""
    killed: str = ""
    """The sentence about another limit that ended it."""
