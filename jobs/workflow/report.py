"""The loop's state as the ticket shows it: progress comment and board memory, and when they have to be refreshed. Pure.

`jobs.drive` compares the report with the last one that was written, so no rule asks for a refresh. Steps of work that
follow each other quickly are written once a minute, the latest only. Written at once is what a person waits for or
what a rebuild would buy again: a new generation, revision, iteration or contract, a candidate, a comment that was read,
the state of the pull request, the beginning and the end of a wait, and every stage in which no run is at work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from integrations.ports.tracker import Activity, PlanStep
from integrations.values import Codec, QueuePlace, value
from jobs.loop.board_memory import Metadata, metadata_of
from jobs.loop.commands import CleanUp, Command, PrepareWorkspace, PublishBranch
from jobs.loop.running_check import RunningCheck
from jobs.loop.state import RUNNING, Loop, Stage
from jobs.messages.progress import progress_message
from jobs.messages.sessions import current_activity, list_plan
from jobs.messages.text import state_message
from jobs.workflow.decision import ServicePolicy

INTERVAL = 60.0  # seconds between two reports of work in progress


@dataclass(frozen=True)
class Report:
    """The texts of one refresh. There is one progress comment per generation and one board memory per ticket."""

    generation: int
    progress: str
    subtitle: str
    metadata: Metadata
    milestone: str = ""
    """Digest of the parts that are written at once."""
    plan: tuple[PlanStep, ...] = ()
    """The checklist of the agent session."""
    activity: Activity | None = None
    """The current activity of the agent session."""

    @property
    def digest(self) -> str:
        """SHA-256 in hex; equal reports have equal digests."""
        shown = [vars(step) for step in self.plan], vars(self.activity) if self.activity else None
        return _digest([self.generation, self.progress, self.subtitle, self.metadata, *shown])


@value
class WrittenReport:
    """The report that was written last: its digest and milestone, and when (Unix seconds)."""

    digest: str = ""
    milestone: str = ""
    generation: int = 0
    at: float = 0.0


_WRITTEN: Codec[WrittenReport] = Codec(WrittenReport)


def report_of(
    loop: Loop, policy: ServicePolicy, queued: QueuePlace | None = None, check: RunningCheck | None = None
) -> Report:
    """The report of the loop's present state; `queued` is the place of a run that waits for an agent, `check` the
    command that the gate runs."""
    progress = progress_message(loop, policy.iterations(loop), queued, check)
    plan, activity = (list_plan(loop), current_activity(loop)) if loop.session_id else ((), None)
    milestone = _find_milestone(loop, is_queued=queued is not None)
    return Report(loop.generation, progress, state_message(loop.stage), metadata_of(loop), milestone, plan, activity)


def _find_milestone(loop: Loop, *, is_queued: bool) -> str:
    """A session shows each step of the work: it has no other sign of life. A claim of files between scout and maker is
    no step."""
    pull_request = loop.pull_request
    is_claiming = loop.stage is Stage.WAITING and not loop.reason
    stage = Stage.SCOUTING if is_claiming else loop.stage
    parts: list[object] = [
        "" if stage in RUNNING and not loop.session_id else stage.value,
        (is_queued, bool(loop.reason)),
        (loop.generation, loop.revision, loop.attempt.number, loop.attempt.iteration),
        (loop.contract.digest if loop.contract else ""),
        (loop.candidate.head_sha, loop.comments.last_id, loop.comments.taken_up),
        (pull_request.number, pull_request.pushed_sha, pull_request.approved_sha, loop.merged is not None),
        len(loop.learning.kept),
    ]
    return _digest(parts)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def record_report(report: Report, at: float) -> str:
    """The stored form of a report that was written at that time."""
    written = WrittenReport(digest=report.digest, milestone=report.milestone, generation=report.generation, at=at)
    return _WRITTEN.encode(written)


def parse_report(text: str) -> WrittenReport:
    """The inverse of `record_report`. An earlier release stored the digest alone."""
    return _WRITTEN.decode(text) if text.startswith("{") else WrittenReport(digest=text)


def compute_delay(report: Report, written: WrittenReport, now: float) -> float:
    """Seconds until the report is written at the earliest; 0 for now."""
    if report.milestone != written.milestone:
        return 0.0
    return min(max(written.at + INTERVAL - now, 0.0), INTERVAL)


def is_due_before(outbox: Sequence[Command]) -> bool:
    """Whether an outdated report is refreshed before the head of this outbox is performed.

    Normally the outbox drains first: if Redis is lost in between, the older board memory makes the rebuilt loop decide
    the same event again, and no comment is lost. Work that starts on the code host can wait for hours, so the board has
    to show it first; a clean-up comes last, after everything that a person reads."""
    if not outbox or isinstance(outbox[0], CleanUp):
        return True
    return any(
        isinstance(command, PrepareWorkspace) or (isinstance(command, PublishBranch) and not command.as_is)
        for command in outbox
    )
