"""What a story left behind, read from the stand-ins' write logs, git, Redis and the disk; and what must hold of it.

The oracle is the same story without a crash. The numbers I1 to I12 are those of the crash matrix in the reference.
"""

from __future__ import annotations

import difflib
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from redis import Redis

from integrations.standins.demo.person import Ana
from integrations.standins.demo.story import memory
from integrations.standins.linear.seed import stable_id
from jobs.runtime.scripts import decode
from tests.crash.stack import FragileStack, git, unfinished
from tests.crash.story import BESIDE, BUG
from tests.support.spools import spooled

OURS = stable_id("User", "loopline@acme.test")
OWN = {"loopline-bot", "reviewer"}
LOST_CALLS = 2  # a killed agent process loses at most the call under way of each of the two runs


@dataclass(frozen=True)
class Facts:
    """Everything that is compared. Texts are without what differs from run to run: hashes, money, durations."""

    columns: dict[str, str]
    comments: dict[str, list[str]]
    moves: dict[str, list[str]]
    attachments: dict[str, list[str]]
    code_host: Counter[str]
    branches: list[str]
    pulls: list[str]
    patches: dict[str, str]
    left: list[str]
    journal: list[str]
    on_disk: list[str]
    billed_calls: int
    ledger_calls: int


def facts_of(stack: FragileStack) -> Facts:
    """Read everything once; the stack is up and quiet."""
    ana = Ana(stack)
    board = ana.board()
    with stack.redis() as redis:
        left = unfinished(redis)
        journal = _journal(stack, redis)
    return Facts(
        columns={name: ticket["column"] for name, ticket in board.items()},
        comments={name: [plain(c["body"]) for c in t["comments"] if c["user"]["app"]] for name, t in board.items()},
        moves={name: _moves(stack, ticket) for name, ticket in board.items()},
        attachments={name: sorted(a["title"] for a in ticket["attachments"]) for name, ticket in board.items()},
        code_host=Counter(e["operation"] for e in stack.log("github") if e["actor"] in OWN),
        branches=git(_repository(stack), "for-each-ref", "--format=%(refname:short)", "refs/heads").split(),
        pulls=sorted(f"{p['title']} {p['state']} {p['base']['ref']}" for p in ana.pull_requests().values()),
        patches=dict(_patches(stack)),
        left=left,
        journal=journal,
        on_disk=sorted(_on_disk(stack)),
        billed_calls=sum("usage" in entry["result"] for entry in stack.log("model")),
        ledger_calls=sum(int(memory(ticket).get("model_calls", 0)) for ticket in board.values()),
    )


def plain(text: str) -> str:
    """The text without hashes, addresses and numbers that differ from run to run."""
    text = re.sub(r"\b[0-9a-f]{7,40}\b", "<sha>", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "<host>", text)
    text = re.sub(r"pull/\d+|\d+ model calls", "<count>", text)
    return re.sub(r"\$?\d+\.\d+( s\b)?|\b\d+ s\b", "<number>", text)


def _moves(stack: FragileStack, ticket: dict[str, Any]) -> list[str]:
    """The columns that Loopline moved the ticket into, each write of it."""
    names = {state["id"]: state["name"] for state in ticket["team"]["states"]["nodes"]}
    moves: list[str] = []
    for entry in stack.log("linear"):
        wanted = entry["input"]
        ours = entry["operation"] == "issueUpdate" and entry["actor"] == OURS
        if ours and wanted["id"] == ticket["id"] and "stateId" in wanted:
            moves.append(names[wanted["stateId"]])
    return moves


def _repository(stack: FragileStack) -> Any:
    (found,) = (stack.home / "github").rglob("tally.git")
    return found


def _patches(stack: FragileStack) -> Iterator[tuple[str, str]]:
    """What each branch adds to where it began, and on the default branch the last commit."""
    folder = _repository(stack)
    yield "main", re.sub(r" \(#\d+\)$", "", git(folder, "show", "--format=%s", "main"), count=1, flags=re.MULTILINE)
    yield "commits on main", git(folder, "rev-list", "--count", "main")
    for branch in git(folder, "for-each-ref", "--format=%(refname:short)", "refs/heads/loopline").split():
        yield branch, git(folder, "diff", f"main...{branch}")
        yield f"commits on {branch}", git(folder, "rev-list", "--count", f"main..{branch}")


def _on_disk(stack: FragileStack) -> Iterator[str]:
    """Worktrees, quarantines, locks of git, torn drafts and spooled deliveries; Loopline's lock files are empty."""
    home = stack.service_home
    patterns = ("runs/*/*", "repos/.quarantine*", "repos/*.git/**/*.lock", "**/*.new")
    yield from spooled(home)
    for pattern in patterns:
        yield from (str(path.relative_to(home)) for path in home.glob(pattern))


def _journal(stack: FragileStack, redis: Redis) -> list[str]:
    """What is wrong with the journal: every accepted delivery is in it, once, and every file is whole."""
    accepted = {decode(redis.get(key) or b"") for key in redis.scan_iter("seen:*:id:*")}
    written: Counter[str] = Counter()
    for file in (stack.service_home / "journal").iterdir():
        try:
            written.update(json.loads(line)["entry"] for line in gzip.decompress(file.read_bytes()).splitlines())
        except (EOFError, ValueError, OSError) as error:
            return [f"{file.name} cannot be read to its end: {error}"]
    missing = [f"{entry} is missing" for entry in sorted(accepted - written.keys())]
    return missing + [f"{entry} is there {n} times" for entry, n in written.items() if n > 1]


def complaints(oracle: Facts, found: Facts) -> list[str]:
    """What the crash changed, one sentence each; empty when it changed nothing."""
    return [sentence for sentence in _complaints(oracle, found) if sentence]


def _complaints(oracle: Facts, found: Facts) -> Iterator[str]:
    yield differ("I1 columns", oracle.columns, found.columns)
    yield differ("I2 branches", oracle.branches, found.branches)
    yield differ("I2 pull requests", oracle.pulls, found.pulls)
    for ticket in (BUG, BESIDE):
        yield differ(f"I3 comments on {ticket}", oracle.comments[ticket], found.comments[ticket])
        yield differ(f"I3 moves of {ticket}", oracle.moves[ticket], found.moves[ticket])
        yield differ(f"I3 attachments of {ticket}", oracle.attachments[ticket], found.attachments[ticket])
    yield differ("I3 writes to the code host", oracle.code_host, found.code_host)
    for name in oracle.patches:
        yield differ(f"I4 {name}", oracle.patches[name], found.patches.get(name))
    yield differ("I5 left in Redis", [], found.left)
    yield differ("I6 left on disk", oracle.on_disk, found.on_disk)
    yield differ("I8 journal", [], found.journal)
    yield from _money(oracle, found)


def _money(oracle: Facts, found: Facts) -> Iterator[str]:
    if not found.billed_calls <= found.ledger_calls <= found.billed_calls + LOST_CALLS:
        yield f"I7 the ledger says {found.ledger_calls} calls, the model billed {found.billed_calls}"
    if found.billed_calls > oracle.billed_calls + LOST_CALLS:
        yield f"I7 the model was asked {found.billed_calls} times instead of {oracle.billed_calls}"


def differ(what: str, wanted: Any, found: Any) -> str:
    """A sentence with the lines that differ; empty without a difference."""
    if wanted == found:
        return ""
    lines = difflib.ndiff(_lines(wanted), _lines(found))
    return f"{what}: " + " | ".join(line[:200] for line in lines if line[0] in "+-")


def _lines(value: Any) -> list[str]:
    """One line for each part that can differ."""
    if isinstance(value, str | None):
        return (value or "").splitlines()
    parts = sorted(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else map(str, value)
    return [line for part in parts for line in part.splitlines()]
