"""Drives the automations of one repository: decides, commits and performs, in order, under the mailbox's lease.

The job is queued like `jobs.drive.drive`; `jobs.mailbox_driver` handles all failures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from pydantic import ValidationError

from integrations.automation_events import AutomationEvent
from integrations.errors import IntegrationError, Unauthorized, Unavailable
from integrations.events import CommandFailed
from integrations.values import Codec, TicketId, Usage
from jobs.effects.audit_records import name_error
from jobs.effects.automations.context import AutomationContext
from jobs.effects.automations.memory import read_memory
from jobs.effects.automations.perform import perform_automation
from jobs.effects.automations.renames import find_earlier_state
from jobs.effects.world import World
from jobs.loop.automation_commands import AutomationCommand, FileFinding
from jobs.loop.automation_ids import repository_of
from jobs.loop.automation_state import AutomationState
from jobs.mailbox_driver import MailboxDriver, work_off
from jobs.runtime import queues
from jobs.runtime.lease import Lease
from jobs.store.automations import AutomationStore
from jobs.store.dead_letters import DeadLetter
from jobs.store.mailboxes import Posted
from jobs.workflow.automations import decide

_USAGE: Codec[Usage] = Codec(Usage)
_log = structlog.get_logger(__name__)


def automate(mailbox: TicketId) -> None:
    """RQ's entry: empty the mailbox of a repository's automations and its outboxes as far as possible now."""
    work_off(mailbox, queues.AUTOMATE, _Driver, automations=mailbox)


class _Driver(MailboxDriver[AutomationEvent, AutomationCommand]):
    """Works on the automations of one repository while it holds the lease."""

    def __init__(self, mailbox: TicketId, lease: Lease, world: World) -> None:
        self._store = AutomationStore(world.redis)
        super().__init__(mailbox, lease, world, self._store)
        self._state, self._is_new = AutomationState(repository=repository_of(mailbox)), True

    def _load(self) -> None:
        if found := self._store.load(self._id):
            self._state, self._is_new = found, False

    def _identifier(self) -> str:
        return self._state.repository

    def _execute(self, posted: Posted[AutomationCommand]) -> None:
        events: Sequence[AutomationEvent] = ()
        result = "done"
        try:
            context = AutomationContext(posted.id, self._state, self._world, self._lease)
            events = perform_automation(posted.command, context)
        except (Unavailable, Unauthorized):
            raise
        except (IntegrationError, ValueError) as error:
            reason, result = str(error), name_error(error)
            _log.warning("command rejected", command=posted.command.kind, reason=reason)
            events = (self._build_command_failed(f"{posted.id}/refused", posted.command, reason),)
        self._audit(kind="effect", command=posted.command.kind, command_id=posted.id, result=result)
        self._store.complete_command(self._lease, self._id, posted, events)

    def _settle(self, event: AutomationEvent, raw: bytes) -> None:
        if self._is_new:
            self._state = self._restore() or self._state
        now = replace(event, at=self._world.now())
        team = self._world.policy.team_of_repository(self._state.repository)
        decision = decide(replace(self._state, team=team), now, self._world.policy)
        self._audit(
            kind="decision",
            event=event.kind,
            event_id=event.event_id,
            commands=[command.kind for command in decision.commands],
        )
        self._store.commit(self._lease, raw, decision.state, decision.commands)

    def _restore(self) -> AutomationState | None:
        """The state on the board, or the one under the repository's earlier name."""
        name = self._state.repository
        if restored := read_memory(name, self._world):
            _log.info("automations restored from the board", repository=name)
            return restored
        if taken := find_earlier_state(name, self._world):
            _log.info("automations of a renamed repository taken over", repository=name, names=taken.earlier_names)
        return taken

    def _build_failure(self, letter: DeadLetter, reason: str) -> CommandFailed | None:
        command = self._boxes.parse_command(letter.item) if letter.box in ("inner", "outer") else None
        event = json.loads(letter.item) if letter.box == "mailbox" else {}
        failed = self._build_command_failed(f"dead:{letter.id}", command, reason)
        run = failed.run or str(event.get("run") or event.get("run_id") or "")
        return replace(failed, command=letter.kind, run=run, usage=_read_usage(event), put_aside=True)

    def _build_command_failed(self, name: str, command: AutomationCommand | None, reason: str) -> CommandFailed:
        """The event of a command that cannot be performed; None for an event or a command of a newer release."""
        run = getattr(command, "run", "")
        if spec := getattr(command, "spec", None):
            run = spec.triage.run if spec.triage else ""
        return CommandFailed(
            event_id=name,
            ticket_id=self._id,
            at=self._world.now(),
            generation=0,
            command=command.kind if command else "",
            reason=reason,
            run=run,
            fingerprint=command.finding.fingerprint if isinstance(command, FileFinding) else "",
        )

    def _audit(self, **fields: object) -> None:
        self._world.audit.record(ticket=self._state.repository, actor="", **fields)


def _read_usage(event: Mapping[str, Any]) -> Usage:
    """The usage of an agent in an event that cannot be decided; none in other events."""
    try:
        return _USAGE.from_builtins(event.get("usage") or {})
    except ValidationError:
        return Usage()
