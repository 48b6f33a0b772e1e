"""Performs `/run <automation>` of a ticket. Called by `jobs.effects.perform`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.effects.texts import sanitize_text
from jobs.loop.automation_state import AutomationState
from jobs.loop.finding_state import RequestAutomation
from jobs.messages import automations as messages
from jobs.store.automations import AutomationStore
from jobs.workflow.automations.decision import find_automation
from jobs.workflow.automations.slots import explain_refusal

if TYPE_CHECKING:
    from jobs.effects.perform import Context


def request_automation(command: RequestAutomation, ctx: Context) -> None:
    """Deliver the request once, and answer with a comment: that it starts, or why not."""
    store = AutomationStore(ctx.world.redis)
    repository, state = _choose(command, ctx, store)
    reason = explain_refusal(state, repository, command.name, ctx.world.now())
    if state and not reason:
        store.request(state.id, command.name, command.by, ctx.id, ctx.world.now())
    is_running = state is not None and command.name in state.runs
    text = reason or messages.requested_message(command.name, repository, is_running=is_running)
    body = sanitize_text(text, ctx.ticket, ctx.world)
    ctx.world.tracker.comment(ctx.ticket.id, body, ctx.create_id(), command.reply_to)


def _choose(command: RequestAutomation, ctx: Context, store: AutomationStore) -> tuple[str, AutomationState | None]:
    """The repository of the ticket, or the first one of its team that has this automation."""
    team = ctx.world.policy.teams.get(ctx.ticket.team)
    names = tuple(dict.fromkeys(filter(None, (command.repository, *(team.repositories if team else ())))))
    states = {name: store.find(name) for name in names}
    having = (name for name, state in states.items() if state and find_automation(state, command.name))
    name = next(having, names[0] if names else "")
    return name or "This team", states.get(name)
