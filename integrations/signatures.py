"""Stable keys and signatures of evidence: the same problem has the same ones at every run. Pure.

Logs of the same failure differ in times, ids, temporary folders, order and counts. A signature is a digest of the set
of lines that name the failure, without these. Used for source items, by `integrations.code_hosts` and `jobs`.
"""

from __future__ import annotations

import hashlib
import re

MOST_LINES, LINE_CHARACTERS = 5_000, 400
KEY_CHARACTERS = 200

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DAYS = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\\w*,?"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?"
_OF_DAY = r"\d\d[:_-]\d\d(?:[:_-]\d\d)?(?:[.,_]\d+)?"
_ZONES = "[AP]M|UTC|GMT|CES?T|[ECMP][SD]T"
_TEMPORARY = "(?:/private)?/(?:tmp|var/tmp|var/folders|dev/shm)"
_UNITS = r"(?:ns|µs|us|ms|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|days?|[kKMGT]?i?B|bytes|%)"
_COUNTED = (
    "passed|failed|failing|passing|skipped|pending|xfailed|xpassed|deselected|selected|errors?|warnings?|failures?"
    "|tests?|suites?|files?|problems?|vulnerabilities|assertions?|examples?|packages?|modules?|items?|lines?|links?"
    "|total|todo|ignored|snapshots?|others?|more|times|pages?|urls?|documents?|dependencies|targets?|steps?|checks?"
)
_NUMBERED = (
    "pid|process|thread|goroutine|worker|shard|attempt|retry|try|run|job|build|seed|port|request|session|node|iteration"
)
_VOLATILE = (
    # A job's own folders, and temporary ones. A name with a suffix is kept: it is what a program misses there.
    (re.compile(r"(?:/home/runner/work|/__w|/builds|/github/workspace|[A-Z]:\\a)(?:[/\\][\w.-]+){0,2}[/\\]"), ""),
    (re.compile(rf"{_TEMPORARY}(?:/[\w.@+~-]+)*/(?!tmp)([\w@+~-]+\.[A-Za-z]\w{{0,5}})\b"), r"<tmp>/\1"),
    (re.compile(rf"{_TEMPORARY}(?:/[\w.@+~-]+)+/?"), "<tmp>"),
    (re.compile(r"[A-Z]:\\Users\\[^\\\s]+\\AppData\\Local\\Temp(?:\\[\w.-]+)*"), "<tmp>"),
    (re.compile(r"\btmp\.?[A-Za-z0-9_]{6,12}\b"), "<tmp>"),
    # Lines and columns of files.
    (re.compile(r"(\.[A-Za-z]\w{0,9})[:(]\d+(?:[:,]\d+)?\)?"), r"\1"),
    (re.compile(r"\b(lines?|columns?|col)[ :]\d+", re.IGNORECASE), r"\1"),
    # Times and dates.
    (re.compile(rf"\d{{4}}([-/_])\d\d\1\d\d(?:[T _-]{_OF_DAY})?(?:Z|\s?[+-]\d\d:?\d\d\b)?"), "<time>"),
    (re.compile(rf"\b(?:{_DAYS} )?(?:\d{{1,2}}[ /-])?(?:{_MONTHS})\w*[ /-]\d{{1,4}}(?:,? \d{{4}})?(?=\W|$)"), "<time>"),
    (re.compile(rf"\b{_CLOCK}(?:\s?(?:{_ZONES})\b)*(?: \d{{4}}\b)?(?=[\s\]),;}}]|$)"), "<time>"),
    # Ids: UUIDs, addresses, names of runners, hashes, long random words.
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:fv-az|ip-\d|runner-)[\w-]+"), "<host>"),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<id>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}\b"), "<id>"),
    (re.compile(r"\b(?=\w*\d)(?=\w*[A-Z])(?=\w*[a-z])[A-Za-z0-9]{16,}\b"), "<id>"),
    # Durations, sizes, shares, counts, numbers of processes and runs.
    (re.compile(rf"\b\d+(?:[.,]\d+)*\s?{_UNITS}(?![\w.])"), "<n>"),
    (re.compile(rf"\b\d+(?:,\d{{3}})* (?=(?:\w+ )?(?:{_COUNTED})\b)", re.IGNORECASE), ""),
    (re.compile(rf"\b({_COUNTED})\s?[=:]\s?\d+", re.IGNORECASE), r"\1"),
    (re.compile(rf"\b({_NUMBERED})([ #:=-]{{1,2}})\d+\b", re.IGNORECASE), r"\1"),
    (re.compile(r"\bgw\d+\b|#\d+\b|\b\d+/\d+\b"), "<n>"),
    (re.compile(r"\b\d+\.\d{3,}\b|\b\d{5,}\b"), "<n>"),
)  # fmt: skip
_FAILURE = re.compile(
    r"error|fail|fatal|panic|exception|assert|abort|cannot|can't|could not|couldn't|unable|undefined|unresolved"
    r"|unexpected|expected|denied|refused|forbidden|not found|no such|not ok|timed? ?out|killed|segmentation|missing"
    r"|invalid|mismatch|broken|conflict|^E  |[✕✗✘×●]",
    re.IGNORECASE,
)
_FRAME = re.compile(r"^\s*(?:File \"|at \S+ ?\(|at (?:async )?[\w.$<>]+ ?\(|in <module>|\d+: +0x)")
_GENERIC = re.compile(
    r"completed with exit code [12]\b|complete log of this run|ELIFECYCLE|npm err(?:or|!) (?:errno|code \d|exit status)"
    r"|operation was canceled",
    re.IGNORECASE,
)
"""Lines that end the log of each failure."""
_COUNT = re.compile(rf"\b\d+ (?:\w+ )?(?:{_COUNTED})\b", re.IGNORECASE)
_SUMMARY = re.compile(rf"\b(?:{_COUNTED}|found|ran|in|of|and|with|time|ok|result|finished|n|no)\b", re.IGNORECASE)


def normalize_line(line: str) -> str:
    """The line without what differs between two runs: escapes, times, ids, folders, line numbers, durations, counts."""
    text = _ESCAPES.sub("", line[: 4 * LINE_CHARACTERS])
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    text = " ".join(text.split())
    return re.sub(r"^(?:[\[(]?<time>[\])]?,?\s?)+", "", text)[:LINE_CHARACTERS]


def sign_log(text: str, *context: str) -> str:
    """The signature of a log: of the set of its lines that name a failure, or of all lines where none does.

    `context` is part of it, as the name of a step."""
    lines = [line for line in text.splitlines()[-MOST_LINES:] if not _FRAME.search(line)]
    failures = {
        normal
        for line in lines
        if _FAILURE.search(line) and not _is_summary(line) and not _GENERIC.search(normal := normalize_line(line))
    }
    chosen = failures or {normalize_line(line) for line in lines}
    return sign_facts(*map(normalize_line, context), *sorted(chosen - {""}))


def sign_facts(*facts: str) -> str:
    """A digest of these texts, in this order: 16 hex digits."""
    return hashlib.sha256("\0".join(facts).encode(errors="replace")).hexdigest()[:16]


def build_key(kind: str, *ids: str) -> str:
    """The key of an item by its ids, as 'issue:12'. A long one is cut and ends with a digest."""
    key = f"{kind}:{'/'.join(text for part in ids if (text := ' '.join(part.split())))}"
    return key if len(key) <= KEY_CHARACTERS else f"{key[: KEY_CHARACTERS - 17]}~{sign_facts(key)}"


def build_name_key(kind: str, *names: str) -> str:
    """The key of an item by names that can hold numbers of runs or hashes, as 'check:CI/test/Run tests'."""
    return build_key(kind, *map(normalize_line, names))


def _is_summary(line: str) -> bool:
    """Whether the line has only counts, as '1 failed, 20 passed in 3 s': they differ with every added test."""
    return bool(_COUNT.search(line)) and not re.search(r"[^\W\d_]", _SUMMARY.sub("", normalize_line(line)))
