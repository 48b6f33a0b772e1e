"""The loop's state as the ticket shows it: progress comment and board memory, and when they have to be refreshed. Pure.

`jobs.drive` compares the report with the digest of the last one that was written, so no rule asks for a refresh.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from integrations.ports.tracker import Activity, PlanStep
from jobs.loop.board_memory import Metadata, metadata_of
from jobs.loop.commands import CleanUp, Command, PrepareWorkspace, PublishBranch
from jobs.loop.queue_place import QueuePlace
from jobs.loop.state import Loop
from jobs.messages.progress import progress_message
from jobs.messages.sessions import current_activity, list_plan
from jobs.messages.text import state_message
from jobs.workflow.decision import ServicePolicy


@dataclass(frozen=True)
class Report:
    """The texts of one refresh. There is one progress comment per generation and one board memory per ticket."""

    generation: int
    progress: str
    subtitle: str
    metadata: Metadata
    plan: tuple[PlanStep, ...] = ()
    """The checklist of the agent session."""
    activity: Activity | None = None
    """The current activity of the agent session."""

    @property
    def digest(self) -> str:
        """SHA-256 in hex; equal reports have equal digests."""
        shown = [vars(step) for step in self.plan], vars(self.activity) if self.activity else None
        content = json.dumps([self.generation, self.progress, self.subtitle, self.metadata, *shown], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def report_of(loop: Loop, policy: ServicePolicy, queued: QueuePlace | None = None) -> Report:
    """The report of the loop's present state; `queued` is the place of a run that waits for an agent."""
    progress = progress_message(loop, policy.iterations(loop), queued)
    plan, activity = (list_plan(loop), current_activity(loop)) if loop.session_id else ((), None)
    return Report(loop.generation, progress, state_message(loop.stage), metadata_of(loop), plan, activity)


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
