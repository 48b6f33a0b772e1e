"""The page of automations: next start, last result, history and cost, and a button that starts a run.

For people who are signed in; the form carries the session's token against cross-site requests.
"""

from __future__ import annotations

import time
import uuid

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, session
from redis import Redis
from werkzeug.wrappers import Response as AnyResponse

from integrations.values import Codec, value
from jobs.config.settings import Settings
from jobs.loop.automation_state import AutomationRun, AutomationState, RunRecord
from jobs.runtime.freeze import find_freeze
from jobs.store.automations import AutomationStore
from jobs.workflow.automations.decision import FAILURES_REPORTED, day_of
from jobs.workflow.automations.slots import explain_refusal
from service.dashboard.login import check_form_token

SHOWN = 20
"""Ended runs that the page lists for each automation, the newest first."""


@value
class ShownAutomation:
    """One automation. Times are Unix seconds, 0 for none; `spent_usd` is that of the UTC day."""

    name: str
    description: str
    origin: str
    enabled: bool
    schedule: str
    on: tuple[str, ...]
    next_at: float
    spent_usd: float
    day_usd: float
    failing: bool
    run: AutomationRun | None
    history: tuple[RunRecord, ...]


@value
class ShownRepository:
    """The automations of a repository, and one sentence about each declaration that cannot be used."""

    repository: str
    automations: tuple[ShownAutomation, ...]
    problems: tuple[str, ...]


SHOWN_REPOSITORIES: Codec[list[ShownRepository]] = Codec(list[ShownRepository])


def blueprint(settings: Settings, redis: Redis) -> Blueprint:
    """Return the page, its JSON, and the form's target."""
    routes = Blueprint("automations", __name__)

    @routes.get("/automations")
    def automations() -> str:
        return render_template("automations.html", repositories=_read(redis))

    @routes.get("/automations/<path:repository>")
    def of_repository(repository: str) -> str:
        found = [one for one in _read(redis) if one.repository.lower() == repository.lower()]
        return render_template("automations.html", repositories=found or abort(404, "It has no automations."))

    @routes.get("/api/automations")
    def api_automations() -> Response:
        return jsonify(automations=SHOWN_REPOSITORIES.to_builtins(_read(redis)))

    @routes.post("/automations/run")
    def run() -> AnyResponse:
        check_form_token()
        repository, name = request.form.get("repository", "")[:200], request.form.get("name", "")[:100]
        store = AutomationStore(redis)
        state = store.find(repository)
        if (refusal := explain_refusal(state, repository, name, time.time())) or state is None:
            abort(409, refusal)
        if find_freeze(redis, settings.home):
            abort(409, "The service is frozen: thaw it first.")
        store.request(state.id, name, str(session.get("user") or "dashboard"), str(uuid.uuid4()), time.time())
        return redirect("/automations", 303)

    return routes


def _read(redis: Redis) -> list[ShownRepository]:
    states = AutomationStore(redis).states()
    return [
        ShownRepository(repository=state.repository, automations=_list_shown(state), problems=state.problems)
        for state in states
        if state.automations or state.problems
    ]


def _list_shown(state: AutomationState) -> tuple[ShownAutomation, ...]:
    today = day_of(time.time())
    return tuple(
        ShownAutomation(
            name=one.name,
            description=one.description,
            origin=one.origin,
            enabled=one.enabled,
            schedule=f"{one.schedule.cron} ({one.schedule.timezone})" if one.schedule and one.schedule.cron else "",
            on=one.on,
            next_at=state.next_slots.get(one.name, 0.0),
            spent_usd=state.spent.get(one.name, {}).get(today, 0.0),
            day_usd=one.limits.day_usd,
            failing=state.failing.get(one.name, 0) >= FAILURES_REPORTED,
            run=state.runs.get(one.name),
            history=tuple(record for record in reversed(state.history) if record.automation == one.name)[:SHOWN],
        )
        for one in state.automations
    )
