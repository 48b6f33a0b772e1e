"""Drives one ticket: gathers, decides, commits and performs, in order, under the ticket's lease.

The job is queued by the dispatcher, performers, finished runs, the clock and the sweep; a duplicate does nothing.
`jobs.mailbox_driver` handles all failures of events and commands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import structlog

from integrations.errors import IntegrationError, Misconfigured, OverBudget, Rejected, Unauthorized, Unavailable
from integrations.events import (
    CommandFailed,
    Event,
    TicketCommented,
    TicketDelegated,
    TicketEdited,
    TicketMentioned,
    TicketMoved,
)
from integrations.request_budget import Priority, use_priority
from integrations.values import Identifier, Ticket, TicketId
from jobs.effects.audit_records import describe_decision, describe_effect, name_error
from jobs.effects.columns import refresh_if_renamed
from jobs.effects.gather import gather
from jobs.effects.perform import Context, perform, show_report
from jobs.effects.world import World
from jobs.inbox.dispatch import wake_watchers
from jobs.loop.commands import Command
from jobs.loop.policy import PolicyError
from jobs.loop.state import RUNNING, Loop, Stage
from jobs.mailbox_driver import MailboxDriver, work_off
from jobs.recovery.rebuild import OnBoard, read_board, replace_if_outdated, restore_from
from jobs.runtime import queues
from jobs.runtime.lease import Lease
from jobs.store.dead_letters import DeadLetter
from jobs.store.mailboxes import Posted
from jobs.store.queue_places import read_place
from jobs.workflow import decide
from jobs.workflow.blockers import has_released
from jobs.workflow.decision import is_still_wanted
from jobs.workflow.report import (
    INTERVAL,
    Report,
    compute_delay,
    is_due_before,
    parse_report,
    record_report,
    report_of,
)

_OPENING = (TicketMoved, TicketDelegated, TicketMentioned)
"""Events with which a ticket becomes known."""
_log = structlog.get_logger(__name__)


def drive(ticket_id: TicketId) -> None:
    """RQ's entry: empty the ticket's mailbox and outboxes as far as possible now."""
    work_off(ticket_id, queues.DRIVE, _Driver, ticket=ticket_id)


class _Driver(MailboxDriver[Event, Command]):
    """Works on one ticket while it holds the lease."""

    def __init__(self, ticket_id: TicketId, lease: Lease, world: World) -> None:
        super().__init__(ticket_id, lease, world, world.store)
        self._store = world.store
        self._loop: Loop | None = None

    def _load(self) -> None:
        self._loop = self._store.load(self._id)

    def _identifier(self) -> str:
        return self._loop.identifier if self._loop else ""

    def _prepare(self) -> float | None:
        return self._compare_with_board(self._loop) if self._loop and self._id not in self._world.compared else None

    def _compare_with_board(self, loop: Loop) -> float:
        """Once per process, before it acts on a ticket: Redis or the home folder can be from a backup."""
        compared = self._world.compared

        def compare() -> None:
            try:
                replace_if_outdated(loop, self._lease, self._world)
            except Unauthorized:
                raise
            except Rejected as error:
                _log.warning("loop not compared", ticket=loop.identifier, reason=str(error))
            compared.add(self._id)

        return self._attempt("outer", "board memory", compare, give_up=lambda _: compared.add(self._id))

    def _find_refresh(self) -> tuple[Callable[[bool], float] | None, float]:
        report, delay = self._find_outdated_report(self._loop) if self._loop else (None, 0.0)
        return (partial(self._refresh, report, self._loop), delay) if self._loop and report else (None, 0.0)

    def _find_outdated_report(self, loop: Loop) -> tuple[Report | None, float]:
        """The report to write, and after how many seconds; None while the ticket is up to date or commands come
        first."""
        if loop.generation == 0:
            return None, 0.0
        queued = read_place(self._world.redis, self._id, loop.run_id) if loop.stage in RUNNING else None
        check = self._world.runs.running_check(loop.run_id) if loop.stage is Stage.GATING else None
        report = report_of(loop, self._world.policy, queued, check)
        written = parse_report(self._store.last_report(loop.ticket.id))
        outbox = self._store.list_commands(loop.ticket.id, "outer")
        if report.digest == written.digest or not is_due_before(outbox):
            return None, 0.0
        if outbox:
            return report, 0.0
        delay = compute_delay(report, written, self._world.now())
        return report, max(delay, self._store.report_wait(loop.ticket.id))

    def _refresh(self, report: Report, loop: Loop, is_blocking: bool) -> float:
        """Write the report. There is no retry when the tracker rejects it, for example for a deleted ticket.

        `is_blocking`: commands wait for it, so it has their priority; otherwise it waits for the request allowance
        without delaying them."""
        exists = parse_report(self._store.last_report(self._id)).generation == report.generation

        def write() -> None:
            result = "done"
            try:
                with use_priority(Priority.MESSAGE if is_blocking else Priority.PROGRESS):
                    show_report(report, Context("report", loop.ticket, self._world, self._lease, loop), exists=exists)
            except OverBudget as error:
                if is_blocking:
                    raise
                self._store.defer_report(self._id, error.retry_after or INTERVAL)
                return
            except (Unavailable, Unauthorized):
                raise
            except IntegrationError as error:
                _log.warning("report rejected", ticket=loop.identifier, reason=str(error))
                result = name_error(error)
            digest = report.digest[:12]
            self._world.audit.record(
                kind="effect", ticket=loop.identifier, command="report", command_id=digest, result=result
            )
            self._store.mark_reported(self._id, record_report(report, self._world.now()))

        return self._attempt("outer", "report", write, give_up=lambda _: self._give_report_up(report))

    def _give_report_up(self, report: Report) -> None:
        self._store.mark_reported(self._id, record_report(report, self._world.now()))

    def _execute(self, posted: Posted[Command]) -> None:
        loop = self._loop
        assert loop, "an outbox without a loop"
        events: Sequence[Event] = ()
        result = "not wanted"
        try:
            if is_still_wanted(loop, posted.command):
                events = perform(posted.command, Context(posted.id, loop.ticket, self._world, self._lease, loop))
                result = "done"
        except (Unavailable, Unauthorized):
            raise
        except (IntegrationError, PolicyError) as error:
            events, result = (_command_failed(posted, loop, error, self._world.now()),), name_error(error)
        self._world.audit.record(**describe_effect(loop, posted.command, posted.id, result))
        self._store.complete_command(self._lease, self._id, posted, events)

    def _settle(self, event: Event, raw: bytes) -> None:
        """Decide the event. Equal hints that directly follow it are older than its read, so they go too."""
        hint = isinstance(event, TicketMoved | TicketEdited)
        repeats = self._store.count_repeats(self._id) if hint else 0
        seen = None if self._loop else self._restore_from_board(event)
        before = self._loop
        move = seen.move if seen else None
        now = gather(event, self._world, move) if before or _is_opening(event) else None
        if now is None:
            self._store.commit(self._lease, self._id, raw, None, (), repeats)
            return
        if isinstance(now, TicketMoved) and now.ticket:
            refresh_if_renamed(now.ticket, self._world)
        ticket = getattr(now, "ticket", None) or (seen.ticket if seen else None)
        loop = before or Loop(ticket=ticket or Ticket(id=self._id, identifier=Identifier(""), title=""))
        decision = decide(loop, now, self._world.policy)
        self._world.audit.record(**describe_decision(loop, now, decision))
        is_new = before is None and decision.loop.stage is Stage.IDLE and not decision.commands
        changed = None if is_new else decision.loop
        self._store.commit(self._lease, self._id, raw, changed, decision.commands, repeats)
        self._world.compared.add(self._id)
        if before and changed and has_released(before.stage, changed.stage):
            wake_watchers(self._world.redis, event)
        if changed and (before is None or before.stage is not changed.stage):
            _log.info("stage", ticket=changed.identifier, stage=changed.stage.value, event_kind=event.kind)

    def _restore_from_board(self, event: Event) -> OnBoard | None:
        """Before a ticket counts as new: its loop may be missing in Redis and stored on the board. Returns the ticket,
        if it was read."""
        if not isinstance(event, (*_OPENING, TicketCommented)):
            return None
        found = None
        try:
            if found := read_board(self._id, self._world, event if isinstance(event, TicketMoved) else None):
                restore_from(found, self._lease, self._world)
        except Unauthorized:
            raise  # the board memory may exist although it cannot be read now
        except Rejected as error:
            _log.warning("loop not rebuilt", reason=str(error))
        self._loop = self._store.load(self._id)
        return found

    def _build_failure(self, letter: DeadLetter, reason: str) -> CommandFailed | None:
        if self._loop is None:
            return None
        return CommandFailed(
            event_id=f"dead:{letter.id}",
            ticket_id=self._id,
            at=letter.at,
            generation=self._loop.generation if letter.generation is None else letter.generation,
            command=letter.kind,
            reason=reason,
            put_aside=True,
        )


def _is_opening(event: Event) -> bool:
    """Whether the event counts for a ticket without a loop: a comment only if it can start an automation."""
    return isinstance(event, _OPENING) or (isinstance(event, TicketCommented) and "/run" in event.body)


def _command_failed(posted: Posted[Command], loop: Loop, error: Exception, at: float) -> CommandFailed:
    reason = str(error)
    _log.warning("command rejected", ticket=loop.identifier, command=posted.command.kind, reason=reason)
    return CommandFailed(
        event_id=f"{posted.id}/refused",
        ticket_id=loop.ticket.id,
        at=at,
        generation=getattr(posted.command, "generation", loop.generation),
        command=posted.command.kind,
        reason=reason,
        problem=error.kind if isinstance(error, Misconfigured) else "",
    )
