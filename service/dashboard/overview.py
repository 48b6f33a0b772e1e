"""What the dashboard says about loops: rows of the list, and one ticket in full. Called by `service.dashboard.reader`;
pure.

The pages and the JSON answers are made from the same values, so they cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote

from integrations.results import Evidence, Judgement, Plan, Proposal, Tampering, Verdict
from integrations.values import Usage, Value
from jobs.loop.commands import RunSpec
from jobs.loop.state import Attempt, Contract, Escalation, Guidance, Loop, Stage
from jobs.messages.escalations import ESCALATION_TITLES
from jobs.messages.text import TAMPERINGS, money_message, state_message
from jobs.workflow.decision import ServicePolicy

Group = Literal["needs_you", "working", "finished"]
Mark = Literal["pass", "fail", "unsure", "open"]
GROUPS: dict[Group, str] = {"needs_you": "Needs you", "working": "Working", "finished": "Finished"}
_NEEDS_YOU = frozenset({Stage.NEEDS_HUMAN, Stage.ASKING, Stage.REVIEW})
_FINISHED = frozenset({Stage.DONE, Stage.STOPPED, Stage.IDLE})
_WEB = re.compile(r"https?://[^\s/]")
_REVISION = re.compile(r"-g\d+-r(\d+)(?:-[a-z]\d+)*-[a-z]+$")


class ShownEscalation(Escalation):
    """A call for a person, with its class in words."""

    text: str


class Row(Value):
    """One loop in the list. Times are Unix seconds, 0 where there is none; `now` is what its agent does, one line;
    `reason` why it stopped or what it waits for; `cap_usd` what the ticket may cost, `extra_usd` of it added by
    people."""

    identifier: str
    title: str
    url: str
    page: str
    group: Group
    stage: Stage
    stage_text: str
    attempt: int
    attempts: int
    iteration: int
    iterations: int
    revision: int
    money: str
    usage: Usage
    cap_usd: float
    extra_usd: float
    pull_request_url: str
    number: int
    started_at: float
    finished_at: float
    active_at: float
    reason: str
    escalation: ShownEscalation | None = None
    now: str = ""


class ShownCriterion(Value):
    """A line of the contract with its mark; `evidence` is the checker's, empty where it said nothing."""

    id: str
    text: str
    command: str
    mark: Mark
    evidence: str = ""


class ShownEvidence(Evidence):
    """A command that Loopline ran. `mark` says how it counts, `exit_codes` are never empty here."""

    mark: Literal["passed", "failed", "flaky"]


class ShownTampering(Tampering):
    """A place that could make a check pass without the work, with its kind in words."""

    what: str


class ShownRun(Value):
    """One run of the ticket."""

    run_id: str
    role: str
    model: str
    generation: int
    revision: int
    attempt: int
    iteration: int
    unfinished: bool
    usage: Usage
    started_at: float


class ShownTicket(Value):
    """Everything there is to say about one ticket. `run_id` is the run that is shown when none is chosen; `proposal` is
    there while it is asked; `attempts` are those that have ended, `tried` belongs to the one under way."""

    row: Row
    repository: str
    branch: str
    head_sha: str
    approved_by: str
    failing_checks: tuple[str, ...]
    contract: str
    """The contract's digest, empty before it is agreed."""
    contract_version: int
    """0 before it is agreed."""
    criteria: tuple[ShownCriterion, ...]
    proposal: Proposal | None
    plan: Plan | None
    evidence: tuple[ShownEvidence, ...]
    tampering: tuple[ShownTampering, ...]
    tampering_accepted: bool
    judgement: Judgement | None
    verdict: Verdict | None
    attempts: tuple[Attempt, ...]
    tried: tuple[str, ...]
    words: tuple[Guidance, ...]
    runs: tuple[ShownRun, ...]
    run_id: str


def row(loop: Loop, policy: ServicePolicy, active_at: float = 0.0, now: str = "") -> Row:
    """The loop's row. `policy` holds the service's limits, `active_at` is when its agent last did something."""
    return Row(
        identifier=loop.identifier,
        title=loop.ticket.title,
        url=web_link(loop.ticket.url),
        page=f"/tickets/{quote(loop.identifier, safe='')}",
        group=group_of(loop.stage),
        stage=loop.stage,
        stage_text=state_message(loop.stage),
        attempt=loop.attempt,
        attempts=policy.attempts(loop),
        iteration=loop.iteration,
        iterations=policy.iterations(loop),
        revision=loop.revision,
        money=money_message(loop),
        usage=loop.usage,
        cap_usd=policy.caps_of(loop).ticket_usd,
        extra_usd=loop.extra_usd,
        pull_request_url=web_link(loop.pull_request_url),
        number=loop.number,
        started_at=loop.started_at,
        finished_at=loop.finished_at,
        active_at=max(loop.started_at, loop.finished_at, active_at),
        reason=loop.reason,
        escalation=_escalation(loop.escalation),
        now=now,
    )


def group_of(stage: Stage) -> Group:
    """Who has to do something next: a person, Loopline, or nobody."""
    if stage in _NEEDS_YOU:
        return "needs_you"
    return "finished" if stage in _FINISHED else "working"


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Those that need a person first, then the newest activity."""
    order = list(GROUPS)
    return sorted(rows, key=lambda one: (order.index(one.group), -one.active_at, one.identifier))


def ticket(loop: Loop, shown_row: Row, runs: Iterable[ShownRun]) -> ShownTicket:
    """The loop in full, with its runs in the order of their start."""
    known = tuple(runs)
    ids = [run.run_id for run in known]
    return ShownTicket(
        row=shown_row,
        repository=loop.repository,
        branch=loop.branch,
        head_sha=loop.head_sha,
        approved_by=loop.approved_by,
        failing_checks=loop.failing_checks,
        contract=loop.contract.digest if loop.contract else "",
        contract_version=loop.contract.version if loop.contract else 0,
        criteria=criteria(loop.contract, loop.evidence, loop.verdict),
        proposal=loop.proposal if loop.stage is Stage.ASKING else None,
        plan=loop.plan,
        evidence=tuple(map(_evidence, loop.evidence)),
        tampering=tuple(ShownTampering(**dict(one), what=TAMPERINGS[one.kind]) for one in loop.tampering),
        tampering_accepted=loop.tampering_accepted != "" and loop.tampering_accepted == loop.head_sha,
        judgement=loop.judgement,
        verdict=loop.verdict,
        attempts=loop.attempts,
        tried=loop.tried,
        words=loop.answers + loop.words,
        runs=known,
        run_id=loop.run_id if loop.run_id in ids else next(reversed(ids), ""),
    )


def run(spec: RunSpec, usage: Usage, *, unfinished: bool) -> ShownRun:
    """One run. Its revision stands in its id and nowhere else."""
    return ShownRun(
        run_id=spec.run_id,
        role=spec.role,
        model=spec.model,
        generation=spec.generation,
        revision=_revision(spec.run_id),
        attempt=spec.attempt,
        iteration=spec.iteration,
        unfinished=unfinished,
        usage=usage,
        started_at=spec.started_at,
    )


def criteria(
    contract: Contract | None, evidence: Iterable[Evidence], verdict: Verdict | None
) -> tuple[ShownCriterion, ...]:
    """The contract's lines; the checker's word goes before the exit code of the criterion's command."""
    marks: dict[str, Mark] = {one.name: "pass" if one.passed else "fail" for one in evidence}
    said = {result.criterion: result for result in verdict.results} if verdict else {}
    marks |= {name: result.result for name, result in said.items()}
    return tuple(
        ShownCriterion(
            id=one.id,
            text=one.text,
            command="" if f"`{one.command}`" in one.text else one.command,
            mark=marks.get(one.id, "open"),
            evidence=said[one.id].evidence if one.id in said else "",
        )
        for one in (contract.criteria if contract else ())
    )


def _evidence(one: Evidence) -> ShownEvidence:
    mark: Literal["passed", "failed", "flaky"] = "flaky" if one.flaky else "passed" if one.passed else "failed"
    return ShownEvidence(**{**dict(one), "exit_codes": one.exit_codes or (one.exit_code,)}, mark=mark)


def _escalation(call: Escalation | None) -> ShownEscalation | None:
    return ShownEscalation(**dict(call), text=ESCALATION_TITLES[call.kind].capitalize()) if call else None


def web_link(address: str) -> str:
    """The address when a browser may follow it, else nothing: it was written by strangers."""
    return address if _WEB.match(address) else ""


def _revision(run_id: str) -> int:
    found = _REVISION.search(run_id)
    return int(found[1]) if found else 0
