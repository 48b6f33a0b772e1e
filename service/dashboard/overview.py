"""View models of the dashboard: rows of the list, and one ticket in full. Called by `service.dashboard.reader`. Pure.

Pages and JSON are rendered from the same values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote

from integrations.proof import Experiment
from integrations.results import Evidence, Judgement, Plan, Proposal, Provenance, Tampering, Verdict
from integrations.values import Codec, QueuePlace, RunId, Usage, value
from jobs.loop.commands import RunSpec
from jobs.loop.comments import Guidance
from jobs.loop.running_check import RunningCheck
from jobs.loop.state import OPEN, ClosedAttempt, Contract, Escalation, Loop, Stage
from jobs.messages.ci import checks_line
from jobs.messages.escalations import ESCALATION_TITLES
from jobs.messages.experiments import EXPERIMENT_NAMES, describe_experiment, list_proof
from jobs.messages.progress import queued_message, running_check_line
from jobs.messages.text import TAMPER_NAMES, money_message, state_message
from jobs.workflow.decision import ServicePolicy

Group = Literal["needs_you", "working", "finished"]
Mark = Literal["pass", "fail", "unsure", "open"]
GROUPS: dict[Group, str] = {"needs_you": "Needs you", "working": "Working", "finished": "Finished"}
_NEEDS_YOU = frozenset({Stage.NEEDS_HUMAN, Stage.ASKING, Stage.REVIEW})
_FINISHED = frozenset({Stage.DONE, Stage.STOPPED, Stage.IDLE})
_WEB = re.compile(r"https?://[^\s/]")
_REVISION = re.compile(r"-g\d+-r(\d+)(?:-[a-z]\d+)*-[a-z]+$")


@value
class ShownEscalation(Escalation):
    """An escalation with the text of its class."""

    text: str


@value
class Row:
    """One loop in the list. Times are Unix seconds, or 0; `now` is the agent's last activity in one line; `reason` is
    why the loop stopped or waits; `active_at` is the last activity, or since when a person has to act; `cap_usd` is the
    ticket's budget, including `extra_usd` that people added."""

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


@value
class ShownCriterion:
    """A criterion with its mark; `evidence` is the checker's, or empty."""

    id: str
    text: str
    command: str
    mark: Mark
    evidence: str = ""


@value
class ShownEvidence(Evidence):
    """A command that Loopline ran, with its `mark`; `exit_codes` is never empty here."""

    mark: Literal["passed", "failed", "flaky"]


@value
class ShownTampering(Tampering):
    """A change that needs a person's approval, with the text of its kind."""

    what: str


@value
class ShownExperiment(Experiment):
    """An experiment with a command, with the text of its kind, and that of its result in `found`."""

    what: str
    found: str


@value
class ShownRun:
    """One run of the ticket."""

    run_id: RunId
    role: str
    model: str
    generation: int
    revision: int
    attempt: int
    iteration: int
    unfinished: bool
    usage: Usage
    started_at: float
    provenance: Provenance | None = None
    """None before the run has finished."""


@value
class ShownTicket:
    """One ticket in full. `run_id` is the run that is shown by default; `proposal` is set while Loopline waits for an
    answer to it; `attempts` have ended, `tried` belongs to the current one."""

    row: Row
    repository: str
    branch: str
    head_sha: str
    approved_by: str
    checks: str
    contract: str
    """The digest of the contract, or empty before it is agreed."""
    contract_version: int
    """0 before it is agreed."""
    criteria: tuple[ShownCriterion, ...]
    proposal: Proposal | None
    plan: Plan | None
    evidence: tuple[ShownEvidence, ...]
    may_change: tuple[str, ...]
    experiments: tuple[ShownExperiment, ...]
    proof: tuple[str, ...]
    """The lines of the verdict about the experiments."""
    proof_seconds: float
    tampering: tuple[ShownTampering, ...]
    tampering_accepted: bool
    tampering_accepted_by: str
    judgement: Judgement | None
    verdict: Verdict | None
    attempts: tuple[ClosedAttempt, ...]
    tried: tuple[str, ...]
    guidance: tuple[Guidance, ...]
    runs: tuple[ShownRun, ...]
    run_id: RunId


ROWS: Codec[list[Row]] = Codec(list[Row])
SHOWN_TICKET: Codec[ShownTicket] = Codec(ShownTicket)


def row(
    loop: Loop,
    policy: ServicePolicy,
    active_at: float = 0.0,
    now: str = "",
    queued: QueuePlace | None = None,
    check: RunningCheck | None = None,
) -> Row:
    """Return the loop's row. `policy` holds the service's limits; `active_at` is the time of the agent's last entry;
    `queued` is the place of a run that waits for an agent, `check` the command that the gate runs."""
    call = loop.escalation
    return Row(
        identifier=loop.identifier,
        title=loop.ticket.title,
        url=web_link(loop.ticket.url),
        page=f"/tickets/{quote(loop.identifier, safe='')}",
        group=group_of(loop.stage),
        stage=loop.stage,
        stage_text=queued_message(queued) if queued else state_message(loop.stage),
        attempt=loop.attempt.number,
        attempts=policy.attempts(loop),
        iteration=loop.attempt.iteration,
        iterations=policy.iterations(loop),
        revision=loop.revision,
        money=money_message(loop),
        usage=loop.spend.usage,
        cap_usd=policy.caps_of(loop).ticket_usd,
        extra_usd=loop.spend.extra_usd,
        pull_request_url=web_link(loop.pull_request.url),
        number=loop.pull_request.number,
        started_at=loop.started_at,
        finished_at=loop.finished_at,
        active_at=max(
            loop.started_at, loop.finished_at, active_at, check.started_at if check else 0.0, _find_waiting_since(loop)
        ),
        reason=loop.reason,
        escalation=ShownEscalation(**vars(call), text=ESCALATION_TITLES[call.kind].capitalize()) if call else None,
        now=running_check_line(check) if check else now,
    )


def _find_waiting_since(loop: Loop) -> float:
    """Since when a person has to act, Unix seconds; 0 if unknown."""
    if loop.stage in OPEN - {Stage.CI}:
        return loop.pull_request.shown_at
    return loop.escalation.at if loop.stage is Stage.NEEDS_HUMAN and loop.escalation else 0.0


def group_of(stage: Stage) -> Group:
    """Return the group of a stage: who acts next."""
    if stage in _NEEDS_YOU:
        return "needs_you"
    return "finished" if stage in _FINISHED else "working"


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Sort rows: those that need a person first, then by latest activity."""
    order = list(GROUPS)
    return sorted(rows, key=lambda one: (order.index(one.group), -one.active_at, one.identifier))


def ticket(loop: Loop, shown_row: Row, runs: Iterable[ShownRun]) -> ShownTicket:
    """Return the loop in full; `runs` are in start order."""
    known = tuple(runs)
    ids = [run.run_id for run in known]
    return ShownTicket(
        row=shown_row,
        repository=loop.workspace.repository,
        branch=loop.workspace.branch,
        head_sha=loop.candidate.head_sha,
        approved_by=loop.pull_request.approved_by,
        checks=checks_line(loop),
        contract=loop.contract.digest if loop.contract else "",
        contract_version=loop.contract.version if loop.contract else 0,
        criteria=criteria(loop.contract, loop.candidate.evidence, loop.candidate.verdict),
        proposal=loop.planning.proposal if loop.stage is Stage.ASKING else None,
        plan=loop.planning.plan,
        evidence=tuple(map(_show_evidence, loop.candidate.evidence)),
        may_change=loop.contract.may_change if loop.contract else (),
        experiments=tuple(map(_show_experiment, loop.candidate.gate.experiments)),
        proof_seconds=loop.candidate.gate.proof_seconds,
        proof=tuple(list_proof(loop.candidate.gate, loop.candidate.accepted_by)),
        tampering=tuple(ShownTampering(**vars(one), what=TAMPER_NAMES[one.kind]) for one in loop.candidate.tampering),
        tampering_accepted=loop.candidate.accepted_sha != "" and loop.candidate.accepted_sha == loop.candidate.head_sha,
        tampering_accepted_by=loop.candidate.accepted_by,
        judgement=loop.candidate.judgement,
        verdict=loop.candidate.verdict,
        attempts=loop.attempts,
        tried=loop.attempt.tried,
        guidance=loop.planning.answers + loop.comments.guidance,
        runs=known,
        run_id=loop.run_id if loop.run_id in ids else next(reversed(ids), RunId("")),
    )


def run(spec: RunSpec, usage: Usage, provenance: Provenance | None = None, *, unfinished: bool) -> ShownRun:
    """Return one run. Its revision is only part of its id."""
    found = _REVISION.search(spec.run_id)
    return ShownRun(
        run_id=spec.run_id,
        role=spec.role,
        model=spec.model,
        generation=spec.generation,
        revision=int(found[1]) if found else 0,
        attempt=spec.attempt.number,
        iteration=spec.attempt.iteration,
        unfinished=unfinished,
        usage=usage,
        started_at=spec.started_at,
        provenance=provenance,
    )


def criteria(
    contract: Contract | None, evidence: Iterable[Evidence], verdict: Verdict | None
) -> tuple[ShownCriterion, ...]:
    """Return the criteria with their marks; the checker's result overrides the exit code of the command."""
    marks: dict[str, Mark] = {one.name: "pass" if one.passed else "fail" for one in evidence}
    results = {result.criterion: result for result in verdict.results} if verdict else {}
    marks |= {name: result.result for name, result in results.items()}
    return tuple(
        ShownCriterion(
            id=one.id,
            text=one.text,
            command="" if f"`{one.command}`" in one.text else one.command,
            mark=marks.get(one.id, "open"),
            evidence=results[one.id].evidence if one.id in results else "",
        )
        for one in (contract.criteria if contract else ())
    )


def _show_experiment(one: Experiment) -> ShownExperiment:
    tests = f"{one.held} of {one.total}" if one.total else "yes"
    found = tests if one.result == "held" and not one.text else describe_experiment(one)
    return ShownExperiment(**vars(one), what=EXPERIMENT_NAMES[one.kind], found=found)


def _show_evidence(one: Evidence) -> ShownEvidence:
    mark: Literal["passed", "failed", "flaky"] = "flaky" if one.flaky else "passed" if one.passed else "failed"
    return ShownEvidence(**{**vars(one), "exit_codes": one.exit_codes or (one.exit_code,)}, mark=mark)


def web_link(address: str) -> str:
    """Return the address if it is an HTTP URL, otherwise an empty string: the address is untrusted."""
    return address if _WEB.match(address) else ""
