"""Shared phrases, and the quoting of text from outside. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate

from integrations.results import Evidence, Tampering, TamperKind
from integrations.texts import cut
from jobs.loop.state import Contract, Loop, Stage

LONGEST_INLINE, LONGEST_QUOTATION = 2_000, 10_000
_BLOCK_START = re.compile(r"^(?:[#>+*=|~-]|\d+(?=[.)]))(?=[\s#>=~.)-]|$)")
_FOLD = re.compile(r"^[ \t]*\+(?=\+\+)", re.MULTILINE)
MARKS = {"pass": "✔", "fail": "✘", "unsure": "?"}

_STATES = {
    Stage.IDLE: "Idle",
    Stage.WAITING: "Waiting",
    Stage.PREPARING: "Preparing the workspace",
    Stage.PREFLIGHT: "Running the checks on the base branch",
    Stage.PLANNING: "Working out acceptance criteria",
    Stage.ASKING: "Waiting for an answer",
    Stage.SCOUTING: "Exploring the repository",
    Stage.MAKING: "Working",
    Stage.GATING: "Running the checks",
    Stage.JUDGING: "Judging the result",
    Stage.CHECKING: "A second agent is checking",
    Stage.PUBLISHING: "Opening the pull request",
    Stage.CI: "Waiting for the checks of the code host",
    Stage.REVIEW: "Ready for review",
    Stage.MERGING: "Merging",
    Stage.NEEDS_HUMAN: "Needs you",
    Stage.STOPPED: "Stopped",
    Stage.DONE: "Done",
}


def state_message(stage: Stage) -> str:
    return _STATES[stage]


def format_time(at: float) -> str:
    """Unix seconds as a time of day, e.g. '14:05 UTC'."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M} UTC"


def money_message(loop: Loop) -> str:
    usage = loop.spend.usage
    estimated = f" ({usage.estimated_calls} estimated)" if usage.estimated_calls else ""
    cost = "under $0.01" if 0 < usage.cost_usd < 0.005 else f"${usage.cost_usd:.2f}"
    return f"{usage.model_calls} model calls, {cost}{estimated}"


def format_version(contract: Contract) -> str:
    """The contract's digest, with its version once it has changed."""
    return f"v{contract.version} `{contract.digest}`" if contract.version > 1 else f"`{contract.digest}`"


def format_evidence(e: Evidence) -> str:
    """One command that Loopline ran, in one line."""
    ending = f"exit {e.exit_code} in {e.seconds:.1f} s"
    if e.flaky:
        ending = "flaky: exit codes " + ", ".join(map(str, e.exit_codes)) + " at the same commit"
    elif e.needs_approval:
        ending += f", but it proves nothing: {inline(e.refuted, 300)}"
    if e.base and not e.passed:
        ending += " (already failing on the base branch)" if e.base == "failing" else " (flaky on the base branch too)"
    return f"{code(e.command)} → {ending}, output SHA-256 `{e.digest[:12]}`"


TAMPER_NAMES: dict[TamperKind, str] = {
    "test_changed": "test changed",
    "test_removed": "test removed",
    "test_skipped": "test skipped",
    "assertion_weakened": "assertion weakened",
    "test_configuration": "test configuration",
    "ci": "CI configuration",
    "lint_or_types": "lint or type rules",
    "check_command": "check command",
    "snapshot": "snapshot changed",
    "exit_trick": "ends before the checks",
    "monkeypatch": "replaces what is tested",
    "protected": "protected path",
    "secret": "possible secret",
    "tests_lost": "existing tests no longer pass",
    "fewer_tests": "fewer tests run",
    "extras": "the checks pass only with this file",
    "suppression": "silences a rule",
    "writes": "changed by a check while it ran",
    "proves_nothing": "a check that proves nothing",
}


def format_tampering(found: Tampering) -> str:
    place = f"{code(f'{found.path}:{found.line}' if found.line else found.path)}: " if found.path else ""
    return f"{place}{TAMPER_NAMES[found.kind]}" + (f" — {inline(found.text, 160)}" if found.text else "")


def inline(text: str, most: int = LONGEST_INLINE) -> str:
    """One line of a text from outside, which cannot leave its place in the message: it starts no block, and its
    backticks pair among themselves. `jobs.messages.sanitize` removes the rest, such as mentions and images."""
    line = _BLOCK_START.sub(r"\\\g<0>", shorten(" ".join(text.split()), most)).replace("```", "'''")
    return line if line.count("`") % 2 == 0 else line.replace("`", "'")


def code(text: str, most: int = LONGEST_INLINE) -> str:
    """One line as a code span, which its backticks do not end (CommonMark 6.1)."""
    line = shorten(" ".join(text.split()), most)
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    space = " " * bool(longest)
    return f"{'`' * (longest + 1)}{space}{line}{space}{'`' * (longest + 1)}"


def quoted(text: str) -> str:
    """Several lines of an agent as a quotation, so that none is taken for a part of Loopline's message."""
    return "\n".join(f"> {line}".rstrip() for line in cut(text.strip(), LONGEST_QUOTATION).splitlines())


def limit_words(text: str, most: int) -> str:
    """The first words of a text from outside, in one line."""
    words = text.split()
    line = " ".join(words[:most])
    return shorten(f"{line} …" if len(words) > most else line, most * 12)


def link(title: str, url: str) -> str:
    """A Markdown link; the title alone without a URL."""
    return f"[{title}]({url})" if url else title


def fold(title: str, *parts: str) -> str:
    """A collapsed part (https://linear.app/docs/editor), which nothing inside can end. Empty without parts."""
    text = "\n\n".join(part for part in parts if part)
    return f"+++ {title}\n\n{_FOLD.sub('+ ', text)}\n\n+++" if text else ""


def fit_lines(lines: Sequence[str], words: int) -> tuple[list[str], list[str]]:
    """The first lines with that many words in all, and the other lines."""
    sizes = accumulate(len(line.split()) for line in lines)
    fitting = sum(size <= words for size in sizes)
    return list(lines[:fitting]), list(lines[fitting:])


def fenced(text: str) -> str:
    """The end of an output, for a code fence."""
    return text.strip()[-1500:].replace("```", "'''")


def shorten(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
