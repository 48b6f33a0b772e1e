"""State of the automations of repositories in Redis. Called by `jobs.automate`, dashboard and command line."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from pydantic import ValidationError
from redis import Redis

from integrations.automation_events import AUTOMATION_EVENT, AutomationEvent, AutomationRequested
from integrations.values import TicketId
from jobs.loop.automation_commands import AUTOMATION_COMMAND, AutomationCommand, lane_of_automation
from jobs.loop.automation_state import AUTOMATION_STATE, AutomationState, automations_id
from jobs.runtime import keys, queues
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode
from jobs.store.mailboxes import Mailboxes


class AutomationStore(Mailboxes[AutomationEvent, AutomationCommand]):
    """The automations of all repositories in one Redis."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis, AUTOMATION_EVENT, AUTOMATION_COMMAND, lane_of_automation)

    def load(self, mailbox: TicketId) -> AutomationState | None:
        """The state, or None."""
        raw = self.redis.get(keys.automations(mailbox))
        return AUTOMATION_STATE.decode(raw) if raw else None

    def states(self) -> list[AutomationState]:
        """The states of all repositories that this release can parse, by name."""
        names = sorted(decode(name) for name in self.redis.smembers(keys.AUTOMATIONS))
        found = []
        for raw in self.redis.mget([keys.automations(TicketId(name)) for name in names]) if names else []:
            with suppress(ValidationError):
                found += [AUTOMATION_STATE.decode(raw)] if raw else []
        return found

    def find(self, repository: str) -> AutomationState | None:
        """The state of the repository of this name, in any case."""
        if found := self.load(automations_id(repository)):
            return found
        return next((one for one in self.states() if one.repository.lower() == repository.lower()), None)

    def find_present_name(self, repository: str) -> str:
        """The name under which the findings of this repository are known now: another one after a rename."""
        later = (one.repository for one in self.states() if repository in one.earlier_names)
        return next(later, repository)

    def request(self, mailbox: TicketId, name: str, by: str, key: str, at: float) -> None:
        """Put a person's request for a run into the mailbox, once for each `key`, and wake it."""
        event = AutomationRequested(event_id=f"run:{key}", ticket_id=mailbox, at=at, name=name, by=by)
        self.deliver(event)
        queues.wake_ticket(self.redis, mailbox)

    def commit(self, lease: Lease, raw: bytes, state: AutomationState, commands: Sequence[AutomationCommand]) -> None:
        """Remove the decided event from the mailbox, save the new state and post its commands."""
        place = (keys.automations(state.id), keys.AUTOMATIONS)
        self._commit(lease, state.id, raw, place, AUTOMATION_STATE.encode(state), state.due_at, commands)
