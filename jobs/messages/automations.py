"""Texts of the tickets of findings, and of the ticket that has the memory of a repository's automations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal

from integrations.findings import EvidenceRun, ProposedFinding
from integrations.proposals import ProposedCriterion
from integrations.values import CommitSha, TicketId, TicketRef
from jobs.contract.criteria import format_criterion
from jobs.loop.automation_state import FindingStatus, KnownFinding, RunRecord
from jobs.loop.repository_tags import strip_tags
from jobs.messages.text import code, fenced, inline, link, quoted

FINDING_LABEL = "loopline-finding"
FINDING_TITLE = "Found by Loopline"
"""Title of the attachment of a finding's ticket."""
MEMORY_TITLE = "Loopline automations"
"""Title of the attachment of the memory's ticket."""
_TITLE_CHARACTERS, _REASON_CHARACTERS = 150, 300
_MOST_LISTED, _MOST_RUNS = 40, 20
_MOST_LINKS = 10
_URL = re.compile(r"https?://[^\s()<>\[\]]+")
_STATUSES: dict[FindingStatus, str] = {
    "open": "Open",
    "accepted": "Accepted",
    "rejected": "Rejected",
    "done": "Done",
}


def finding_title(finding: ProposedFinding) -> str:
    return inline(strip_tags(finding.title), _TITLE_CHARACTERS)


def finding_body(
    finding: ProposedFinding,
    automation: str,
    repository: str,
    base_sha: CommitSha,
    *,
    previous: TicketRef | None = None,
    returns: Literal["", "rejected", "done"] = "",
    asks: bool = False,
    starts: bool = False,
    names_repository: bool = False,
) -> str:
    """The description of a finding's ticket. Its list of criteria is the only one in it: the texts of the agent are
    quotations, and outputs are code.

    `returns` is the status of the `previous` ticket. `asks`: a comment asks whether to start the work, `starts`: it
    starts by itself. `names_repository`: the team has several."""
    sha = f" at {code(base_sha[:12])}" if base_sha else ""
    files = ", ".join(code(path) for path in finding.paths)
    origin = f"Found by the automation {code(automation)} in {inline(repository)}{sha}. Severity {finding.severity}."
    parts = [
        quoted(strip_tags(finding.body)),
        _returned_line(previous, returns),
        *_format_evidence(finding),
        criteria_section(finding.criteria),
        origin + (f" It is about {files}." if files else ""),
        f"This work belongs in [repo={inline(repository)}]." if names_repository else "",
        _decision_line(asks=asks, starts=starts),
    ]
    return "\n\n".join(part for part in parts if part)


def criteria_section(criteria: Sequence[ProposedCriterion]) -> str:
    """The criteria as a list that `jobs.contract.criteria` reads, so that the ticket needs no planner. Tags, which
    choose repository and branch, are removed."""
    lines = "\n".join(f"- {inline(strip_tags(format_criterion(criterion)))}" for criterion in criteria)
    return f"## Acceptance criteria\n\n{lines}" if lines else ""


def _returned_line(previous: TicketRef | None, returns: str) -> str:
    if previous is None:
        return ""
    name = inline(previous.identifier) or "an earlier ticket"
    if returns == "done":
        return f"This was done in {name}, and it has come back."
    return f"This was rejected in {name}. The evidence has changed since then, so it is filed again."


def _format_evidence(finding: ProposedFinding) -> list[str]:
    links = [f"- {link(_name_page(url), url)}" for url in finding.links[:_MOST_LINKS] if _URL.fullmatch(url)]
    shown = ["\n".join(["The sources of this finding", "", *links])] if links else []
    return shown + [_format_run(one) for one in finding.runs]


def _format_run(one: EvidenceRun) -> str:
    head = f"Loopline ran {code(one.command)}, which ended with exit {one.exit_code}"
    return f"{head}.\n\n```text\n{fenced(one.output)}\n```" if one.output.strip() else f"{head} and without output."


def _name_page(url: str) -> str:
    """The last parts of the address, without what Markdown reads as markup."""
    path = "/".join(part for part in url.split("?")[0].split("/")[3:] if part)
    return "".join(letter if letter.isalnum() or letter in "/-_. " else "-" for letter in path[-80:]) or "page"


def _decision_line(*, asks: bool, starts: bool) -> str:
    if starts:
        return "The automation's start policy starts the work at once. Comment `/stop` to end it."
    start = "Move this ticket to the agent column to start the work"
    if asks:
        start += ", or answer the question below with yes"
    return (
        f"{start}. Cancel it, or comment `/ignore` with the reason, to reject it. A rejected finding is filed again "
        "only if its evidence changes."
    )


def start_question(automation: str) -> str:
    """The question of the start policy `ask`."""
    return (
        f"The automation {code(automation)} proposes to start this work now. Answer yes to start it, or no to leave it "
        "in this column."
    )


def raised_message(seen: int) -> str:
    return f"This was found again, {_count(seen, 'time')} in all, and it is urgent now."


def seen_line(seen: int, at: float) -> str:
    """The subtitle of the attachment of a finding's ticket."""
    return f"Found {_count(seen, 'time')}, last on {_format_date(at)}" if seen > 1 else f"Found on {_format_date(at)}"


def ignored_message(author: str, reason: str) -> str:
    because = f" The reason is recorded: {inline(reason, _REASON_CHARACTERS)}" if reason else ""
    return (
        f"Rejected by {inline(author)}. This finding is not filed again unless its evidence changes.{because}\n\n"
        "You can close this ticket."
    )


def ignore_elsewhere_message() -> str:
    return "`/ignore` rejects a finding of an automation before its work has begun. `/stop` ends the work on a ticket."


def rejection_reason(column: str) -> str:
    """Why a finding is rejected whose ticket was moved."""
    return f"moved to {inline(column, 80)}" if column else "deleted"


def memory_title(repository: str) -> str:
    return f"Memory of the automations of {inline(repository)}"


def memory_body(
    repository: str,
    findings: Sequence[KnownFinding],
    history: Sequence[RunRecord],
    tried: Mapping[TicketId, str],
    at: float,
) -> str:
    """The memory for people: findings by status, the last runs, and the reading aid of the next run. `tried` has one
    line about the work on each ticket that Loopline worked on."""
    head = (
        f"Loopline keeps here what the automations of {inline(repository)} found, and reads it after a loss of its own "
        f"data. It replaces this text after each run, the last time on {_format_date(at)}; edits have no effect."
    )
    parts = [
        head,
        *(_format_group(status, findings, tried) for status in _STATUSES),
        _format_history(history),
        _format_aid(findings),
    ]
    return "\n\n".join(part for part in parts if part)


def _format_group(status: FindingStatus, findings: Sequence[KnownFinding], tried: Mapping[TicketId, str]) -> str:
    chosen = sorted((one for one in findings if one.status == status), key=lambda one: -one.last_at)
    if not chosen:
        return ""
    lines = [f"- {_format_known(one, tried)}" for one in chosen[:_MOST_LISTED]]
    more = [f"- and {len(chosen) - _MOST_LISTED} more"] if len(chosen) > _MOST_LISTED else []
    return "\n".join([f"## {_STATUSES[status]} ({len(chosen)})", "", *lines, *more])


def _format_known(one: KnownFinding, tried: Mapping[TicketId, str]) -> str:
    name = f"{inline(one.ticket.identifier)}: " if one.ticket and one.ticket.identifier else ""
    about = f"{one.severity}, {code(one.automation)}, found {_count(one.seen, 'time')}, last on"
    line = f"{name}{inline(strip_tags(one.title), _TITLE_CHARACTERS)} ({about} {_format_date(one.last_at)})"
    if one.ticket and (work := tried.get(one.ticket.id)):
        line += f". {inline(work)}"
    return line + (f". Reason: {inline(one.reason, _REASON_CHARACTERS)}" if one.reason else "")


def _format_history(history: Sequence[RunRecord]) -> str:
    lines = [f"- {run_line(one)}" for one in reversed(history[-_MOST_RUNS:])]
    return "\n".join(["## Last runs", "", *lines]) if lines else ""


def run_line(one: RunRecord) -> str:
    """One run in one line."""
    counts = {"found": one.found, "known": one.duplicates, "filed": one.filed, "rejected before": one.rejected}
    counts |= {"beyond the limits": one.dropped}
    shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing found"
    ending = {"failed": "failed", "skipped": "skipped"}.get(one.outcome, shown)
    note = f". {inline(one.note, _REASON_CHARACTERS)}" if one.note else ""
    return f"{_format_date(one.started_at)} {code(one.automation)}: {ending}, ${one.cost_usd:.2f}{note}"


def _format_aid(findings: Sequence[KnownFinding]) -> str:
    """The reading aid: the sources that show most findings, and the reasons of people."""
    items = sorted(item for one in findings if one.status in {"open", "accepted"} for item in one.items)
    counted = sorted(((len(list(same)), item) for item, same in groupby(items)), key=lambda pair: (-pair[0], pair[1]))
    lines = [f"- {code(item, 120)} belongs to {_count(number, 'open finding')}" for number, item in counted[:10]]
    reasons = dict.fromkeys(one.reason for one in findings if one.status == "rejected" and one.reason)
    lines += [
        f"- People rejected a finding because: {inline(reason, _REASON_CHARACTERS)}" for reason in list(reasons)[-10:]
    ]
    return "\n".join(["## For the next run", "", *lines]) if lines else ""


def work_line(stage: str, attempts: int, cost_usd: float) -> str:
    """One line about the work on a finding's ticket."""
    return f"{inline(stage)} after {_count(attempts, 'attempt')}, ${cost_usd:.2f}"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _format_date(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def requested_message(name: str, repository: str, *, is_running: bool) -> str:
    """The answer to `/run <name>`."""
    start = "starts after the run that is in progress" if is_running else "starts"
    result = "Its result is on the dashboard's page Automations."
    return f"The automation {code(name)} of {inline(repository)} {start}. {result}"
