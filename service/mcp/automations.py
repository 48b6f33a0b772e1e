"""The tools about automations of repositories. Registered by `service.mcp.server`.

A request for a run is an event of the repository's mailbox, like that of the dashboard's button or `/run NAME`.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from redis import Redis

from integrations.values import value
from jobs.config.settings import Settings
from jobs.loop.automation import Automation
from jobs.loop.automation_state import AutomationState
from jobs.messages.replies import not_allowed_message
from jobs.runtime.freeze import find_freeze
from jobs.store.access_tokens import AccessToken
from jobs.store.automations import AutomationStore
from jobs.workflow.automations.slots import explain_refusal
from service.mcp.calls import Calls, claim, in_thread
from service.mcp.results import MOST_PARTS, Quote, format_time, quote
from service.mcp.tools import Key, token_of

Repository = Annotated[str, Field(description="The repository, as acme/shop.", max_length=200)]


@value
class AutomationSummary:
    """One automation. Times are in ISO 8601; `running_since` is empty while it does not run."""

    repository: str
    name: str
    description: Quote
    enabled: bool
    next_at: str
    running_since: str
    last_outcome: str
    last_note: Quote | None


@value
class AutomationList:
    """Automations, and sentences about declarations that cannot be used."""

    automations: tuple[AutomationSummary, ...]
    problems: tuple[Quote, ...]


@value
class RunReceipt:
    """A run was requested; list_automations shows it."""

    repository: str
    name: str
    note: str


class AutomationTools:
    """The tools, on one Redis."""

    def __init__(self, settings: Settings, redis: Redis, calls: Calls) -> None:
        self._settings, self._redis, self._calls = settings, redis, calls
        self._store = AutomationStore(redis)

    async def list_automations(self, ctx: Context[Any, Any], repository: Repository = "") -> AutomationList:
        """List the automations of the repositories that you can read: next start, present run, last result."""
        _, rights = await self._calls.find_rights(token_of(ctx))
        states = await in_thread(self._store.states)
        wanted = repository.strip().lower()
        chosen = [one for one in states if one.team in rights.teams and wanted in ("", one.repository.lower())]
        found = tuple(_summarize(state, one) for state in chosen for one in state.automations)
        problems = (quote("the repository's base branch", text) for state in chosen for text in state.problems)
        return AutomationList(automations=found[: 4 * MOST_PARTS], problems=tuple(problems)[:MOST_PARTS])

    async def run_automation(
        self,
        ctx: Context[Any, Any],
        repository: Repository,
        name: Annotated[str, Field(description="The automation's name.", max_length=64)],
        idempotency_key: Key = "",
    ) -> RunReceipt:
        """Start a run of an automation now, in your name. It costs money and files its findings as tickets."""
        token = token_of(ctx)
        self._calls.count_effect(token)
        person, rights = await self._calls.find_rights(token, fresh=True)
        if not person.may_steer:
            raise ToolError(not_allowed_message(f"run {name}", person.name))
        request = ctx.request_id
        found = await in_thread(lambda: self._request(token, rights.teams, repository, name, idempotency_key, request))
        note = "The run is requested, with you as the person who asked for it: list_automations shows its state."
        return RunReceipt(repository=found.repository, name=name, note=note)

    def _request(
        self, token: AccessToken, teams: tuple[str, ...], repository: str, name: str, key: str, request: str
    ) -> AutomationState:
        state = self._store.find(repository.strip())
        state = state if state and state.team in teams else None
        if (refusal := explain_refusal(state, repository, name, time.time())) or state is None:
            raise ToolError(refusal)
        if freeze := find_freeze(self._redis, self._settings.home):
            raise ToolError(f"{freeze.sentence} Thaw it first.")
        event_id = claim(self._redis, token, ["run_automation", state.repository, name], key, request)
        self._store.request(state.id, name, token.email, event_id, time.time())
        return state


def _summarize(state: AutomationState, one: Automation) -> AutomationSummary:
    run = state.runs.get(one.name)
    last = next((record for record in reversed(state.history) if record.automation == one.name), None)
    return AutomationSummary(
        repository=state.repository,
        name=one.name,
        description=quote("the repository's base branch", one.description),
        enabled=one.enabled,
        next_at=format_time(state.next_slots.get(one.name, 0.0)),
        running_since=format_time(run.started_at) if run else "",
        last_outcome=last.outcome if last else "",
        last_note=quote("Loopline and its agents", last.note) if last and last.note else None,
    )
