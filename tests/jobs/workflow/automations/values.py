"""Values of the rules' tests of automations: a repository with one automation, and its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from integrations.automation_events import (
    AutomationEvent,
    AutomationRequested,
    AutomationsDeclared,
    FindingFiled,
    SourcesRead,
)
from integrations.events import RunFinished, TimePassed
from integrations.findings import Found, Match, Matched, ProposedFinding
from integrations.values import Identifier, RunId, TicketId, TicketRef, Usage
from jobs.loop.automation import AUTOMATION, Automation, Schedule, SourceSpec
from jobs.loop.automation_commands import AutomationCommand
from jobs.loop.automation_state import AutomationState, automations_id
from jobs.workflow.automations import AutomationDecision, decide
from jobs.workflow.decision import ServicePolicy, TeamPolicy

SHOP, BASE = "acme/shop", "b" * 40
MAILBOX = automations_id(SHOP)
POLICY = ServicePolicy(
    teams={"ENG": TeamPolicy(repository=SHOP, columns={})}, models={"scout": "small", "judge": "cheap"}
)
DAILY = Automation(
    name="ci-triage",
    schedule=Schedule(cron="0 9 * * *", timezone="Europe/Berlin"),
    sources=(SourceSpec(kind="checks"),),
    origin=".loopline/automations/ci-triage.md",
)
_NUMBERS = count(1)


def at(text: str) -> float:
    """Unix seconds of a time in UTC, as '2026-11-27 08:00'."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


MONDAY = at("2026-11-23 07:00")


def fields(now: float, name: str = "") -> dict[str, Any]:
    return {"event_id": name or f"e{next(_NUMBERS)}", "ticket_id": MAILBOX, "at": now}


def declared(*automations: Automation, now: float = MONDAY, problems: Sequence[str] = ()) -> AutomationsDeclared:
    return AutomationsDeclared(
        **fields(now), repository=SHOP, team="ENG", base_branch="main", base_sha=BASE,
        automations=tuple(AUTOMATION.to_builtins(one) for one in automations), problems=tuple(problems),
    )  # fmt: skip


def passed(now: float, due: float = 0.0) -> TimePassed:
    return TimePassed(**fields(now), due=due)


def asked(now: float, name: str = "ci-triage", **more: Any) -> AutomationRequested:
    return AutomationRequested(**fields(now), name=name, **more)


def begin(*automations: Automation, now: float = MONDAY) -> AutomationState:
    """The state after the declarations were read."""
    return decide(AutomationState(repository=SHOP, team="ENG"), declared(*automations, now=now), POLICY).state


def step(state: AutomationState, *events: AutomationEvent) -> AutomationDecision:
    """Decide the events in order; the commands are those of all of them."""
    commands: list[AutomationCommand] = []
    for event in events:
        decision = decide(state, event, POLICY)
        state, commands = decision.state, [*commands, *decision.commands]
    return AutomationDecision(state, commands)


def kinds(decision: AutomationDecision) -> list[str]:
    return [command.kind for command in decision.commands]


def read(state: AutomationState, now: float, items: int = 1, **more: Any) -> SourcesRead:
    """The sources of the only run were read."""
    (run,) = state.runs.values()
    return SourcesRead(**fields(now), run=run.id, base_sha=BASE, items=items, **more)


def finding(key: str, **more: Any) -> ProposedFinding:
    return ProposedFinding(
        **{"title": 3 * key.partition(":")[2], "body": "It fails.", "items": (key,), "fingerprint": key} | more
    )


def found(state: AutomationState, now: float, *findings: ProposedFinding, **more: Any) -> RunFinished:
    return _finished(state, now, Found(findings=findings), **more)


def matched(state: AutomationState, now: float, *matches: Match, **more: Any) -> RunFinished:
    return _finished(state, now, Matched(matches=matches), **more)


def _finished(
    state: AutomationState, now: float, result: Found | Matched, usd: float = 0.25, **more: Any
) -> RunFinished:
    (run,) = state.runs.values()
    given = {"outcome": "done", "usage": Usage(model_calls=1, cost_usd=usd)} | more
    return RunFinished(**fields(now), run_id=RunId(run.run_id), generation=1, result=result, **given)


def filed(state: AutomationState, now: float, fingerprint: str) -> FindingFiled:
    (run,) = state.runs.values()
    return FindingFiled(**fields(now), run=run.id, fingerprint=fingerprint, ticket=ticket(fingerprint))


def ticket(name: str) -> TicketRef:
    return TicketRef(id=TicketId(f"t-{name}"), identifier=Identifier(f"ENG-{name}"), title=name)


def with_limits(automation: Automation, **limits: Any) -> Automation:
    return replace(automation, limits=replace(automation.limits, **limits))
