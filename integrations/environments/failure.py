"""The failure of a setup command, with the parts of its output that show the cause. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from integrations.errors import Misconfigured

LAST_LINES = 40
_LONGEST_LINE = 300
_NOISE = re.compile(
    r"\bretry(ing)?\b.*(\bin\b|after|attempt|Retry\(|seconds)|^\s*(WARNING: )?Retrying\b|Could not fetch URL"
    r"|npm (ERR!|error|warn|http|info) (attempt|fetch retry)|npm http fetch (GET|POST) .* attempt \d+ failed"
    r"|warning: spurious network error|Trying again in|\(retry \d+|attempt #?\d+ (of|failed)"
    r"|^\s*[#=.\s>-]*\d{1,3}(\.\d)?%",
    re.IGNORECASE,
)
_DECISIVE = re.compile(
    r"error|fatal|not found|no such|no module|cannot|can't|could not|unable|fail|denied|refused|resolve|unauthorized"
    r"|forbidden|no space|mismatch|conflict|timed out|missing",
    re.IGNORECASE,
)
_POINTER = re.compile(
    r"complete log of this run|a complete log|\.log\b|npm (ERR!|error) code|^\s*at \S+ \(|subprocess-exited-with-error"
    r"|see above|hint:|note:|notice",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")


class EnvironmentFailed(Misconfigured):
    """The environment cannot be built: a setup command failed, or its result cannot be used.

    `output` has the last lines without retries, `line` the one that names the cause, `blocked` the connections that the
    network policy refused, by host. `command` is empty when no command is the cause."""

    def __init__(
        self,
        command: str,
        exit_code: int,
        output: str = "",
        blocked: Mapping[str, int] | None = None,
        reason: str = "",
        what: str = "setup",
    ) -> None:
        self.command, self.exit_code, self.reason = command, exit_code, reason
        self.output, self.blocked = fold_output(output), dict(blocked or {})
        self.line = reason or find_decisive_line(output)
        super().__init__(self._describe(what))

    def _describe(self, what: str) -> str:
        if not self.command:
            return self.reason
        shown = " ".join(self.command.split())[:200]
        ending = self.reason or f"exit code {self.exit_code}"
        sentence = f"the {what} command `{shown}` of loop.environment in WORKFLOW.md failed ({ending})"
        if self.line and not self.reason:
            sentence += f": {self.line}"
        return f"{sentence}{format_blocked(self.blocked)}"


def format_blocked(blocked: Mapping[str, int]) -> str:
    """The refused hosts with the fix, as the end of a sentence; empty without any."""
    if not blocked:
        return ""
    shown = ", ".join(f"{host}, {count} times" if count > 1 else host for host, count in sorted(blocked.items())[:10])
    return f". Blocked: {shown}; add each host that setup needs to loop.environment.network"


def fold_output(output: str) -> str:
    """The last lines without colours, progress and retries; several equal lines become one with their number."""
    lines: list[tuple[str, int]] = []
    skipped = 0
    for line in _split_lines(output):
        if _NOISE.search(line):
            skipped += 1
        elif lines and lines[-1][0] == line:
            lines[-1] = (line, lines[-1][1] + 1)
        else:
            lines.append((line, 1))
    kept = [line if count == 1 else f"{line} ({count} times)" for line, count in lines[-LAST_LINES:]]
    return "\n".join([*([f"[{skipped} lines about retries and progress]"] if skipped else []), *kept])


def find_decisive_line(output: str) -> str:
    """The last line that names an error and not only where to read about it; without one the last line."""
    lines = [line for line in _split_lines(output) if not _NOISE.search(line)] or _split_lines(output)
    decisive = [line for line in lines if _DECISIVE.search(line) and not _POINTER.search(line)]
    return " ".join((decisive or lines or [""])[-1].split())[:200]


def _split_lines(output: str) -> list[str]:
    """Lines that are not empty; of those that a carriage return overwrites only the last state."""
    states = (line.rstrip("\r").rpartition("\r")[2] for line in output.split("\n"))
    clean = (_CONTROL.sub("", state).rstrip() for state in states)
    return [line[:_LONGEST_LINE] for line in clean if line.strip()]
