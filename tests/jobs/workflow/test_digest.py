"""The morning digest: when it is due, which facts are in it, and in which order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.findings import Severity
from integrations.results import ChangedFile, ChangeSize, Tampering
from integrations.values import Ticket, TicketRef, Usage
from jobs.loop.automation import Schedule
from jobs.loop.automation_state import AutomationState, KnownFinding
from jobs.loop.digest import DigestRecord, MergedLine
from jobs.loop.problem import KnownProblem, Problem
from jobs.loop.state import Escalation, Loop, Stage
from jobs.workflow.digest import DigestInput, begin_record, build_digest, describe_waiting, find_due_slot, find_risk
from tests.loops import loop_with

HOUR, DAY = 3_600.0, 86_400.0
NOW = datetime(2026, 11, 26, 8, 0, 30, tzinfo=UTC).timestamp()
MORNINGS = Schedule(cron="0 8 * * *")


def at(day: int, hour: float) -> float:
    return datetime(2026, 11, day, tzinfo=UTC).timestamp() + hour * HOUR


def loop(number: int, stage: Stage = Stage.REVIEW, team: str = "ENG", **changes: Any) -> Loop:
    ticket = Ticket(id=f"t{number}", identifier=f"{team}-{number}", title=f"T{number}", team=team)
    return loop_with(ticket, stage=stage, **changes)


def review(number: int, hours: float, lines: int = 100, kind: Any = "code", sensitive: str = "") -> Loop:
    """A pull request that has waited for so long."""
    size = ChangeSize(files=1, lines=lines, first=(ChangedFile(path="a", kind=kind, sensitive=sensitive),))
    found = loop(number, shown_at=NOW - hours * HOUR)
    return replace(found, candidate=replace(found.candidate, gate=replace(found.candidate.gate, size=size)))


def merged(number: int, when: float, team: str = "ENG") -> MergedLine:
    return MergedLine(
        identifier=f"{team}-{number}", number=number, url=f"https://h/{number}", lines=10, reviewed=True, at=when
    )


def finding(number: int, severity: Severity, when: float, **changes: Any) -> KnownFinding:
    ref = TicketRef(id=f"f{number}", identifier=f"ENG-{number}")
    one = KnownFinding(fingerprint=str(number), evidence="e", title=f"F{number}", automation="ci", ticket=ref)
    return replace(one, severity=severity, first_at=when, **changes)


def record(slot: float = at(25, 8), **changes: Any) -> DigestRecord:
    return replace(DigestRecord(slot=slot, until=slot), **changes)


def build(given: DigestInput, before: DigestRecord | None = None, team: str = "ENG") -> Any:
    return build_digest(team, "UTC", given, before or record(), NOW)


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        (at(25, 8), at(26, 7.99), None),
        (at(25, 8), at(26, 8), at(26, 8)),
        (at(25, 8), at(26, 13), at(26, 8)),
        (at(20, 8), at(26, 13), at(26, 8)),  # six missed mornings are one digest
        (at(26, 8), at(26, 8.5), None),
        (at(26, 8), at(25, 9), None),  # the clock went back
        (at(26, 8), at(27, 8), at(27, 8)),
    ],
)
def test_digest_is_due_once_for_each_slot(last: float, now: float, due: float | None) -> None:
    assert find_due_slot(MORNINGS, record(last), now) == due


def test_digest_is_due_in_the_time_zone_of_the_team() -> None:
    berlin = Schedule(cron="0 8 * * 1-5", timezone="Europe/Berlin")
    assert find_due_slot(berlin, record(at(26, 8)), at(30, 12)) == at(30, 7)  # Monday, 8 o'clock in winter


def test_digest_ranks_by_age_and_risk() -> None:
    old, risky, fresh = review(1, 30), review(2, 20, sensitive="auth"), review(3, 1, sensitive="auth")
    small = review(4, 70, 10, "document")
    found = build(DigestInput(loops=[fresh, old, small, risky]))
    assert [one.identifier for one in found.waiting] == ["ENG-2", "ENG-4", "ENG-1", "ENG-3"]
    assert [one.risk for one in found.waiting] == ["high", "low", "medium", "high"]


@pytest.mark.parametrize(("lines", "minutes"), [(0, 0), (1, 1), (100, 15), (400, 60), (1_000, 150)])
def test_digest_gives_the_time_to_read_a_change(lines: int, minutes: int) -> None:
    found = describe_waiting(review(1, 1, lines))
    assert found and (found.lines, found.minutes) == (lines, minutes)


def test_digest_risk_is_high_for_large_flagged_and_urgent_changes() -> None:
    plain = review(1, 1)
    flagged = replace(plain.candidate.gate, tampering=(Tampering(kind="protected", path="a"),))
    urgent = replace(plain, ticket=replace(plain.ticket, priority=1))
    assert find_risk(plain) == "medium"
    assert find_risk(review(1, 1, 401)) == "high"
    assert find_risk(replace(plain, candidate=replace(plain.candidate, gate=flagged))) == "high"
    assert find_risk(urgent) == "high"
    assert find_risk(review(1, 1, 20, "test", sensitive="auth")) == "low"


def test_digest_lists_tickets_that_wait_for_a_person_and_no_others() -> None:
    call = Escalation(kind="judgement", at=NOW - HOUR, since=NOW - 9 * HOUR)
    loops = [
        loop(1, Stage.NEEDS_HUMAN, escalation=call, reason="cents?"),
        loop(2, Stage.ASKING, started_at=NOW - HOUR),
        loop(3, Stage.MAKING),
        loop(4, Stage.DONE),
        loop(5, Stage.REVIEW, team="OPS"),
    ]
    found = build(DigestInput(loops=loops)).waiting
    assert [(one.identifier, one.what, NOW - one.since) for one in found] == [
        ("ENG-1", "decision", 9 * HOUR), ("ENG-2", "answer", HOUR),
    ]  # fmt: skip


def test_digest_counts_each_merge_once_also_one_that_became_known_late() -> None:
    early, late = merged(1, at(25, 7)), merged(2, at(25, 7.5))
    before = begin_record("ENG", DigestInput(merged=[early]), at(25, 8))
    new = merged(3, at(26, 7))
    given = DigestInput(loops=[loop(3, Stage.DONE)], merged=[early, late, new])
    found = build(given, before)
    assert [(one.identifier, one.title) for one in found.merged] == [("ENG-2", ""), ("ENG-3", "T3")]
    after = begin_record("ENG", given, NOW)
    assert build_digest("ENG", "UTC", given, after, NOW + DAY).merged == ()


def test_digest_lists_new_findings_by_severity_without_rejected_ones() -> None:
    state = AutomationState(
        repository="acme/shop",
        team="ENG",
        findings=(
            finding(1, "low", NOW - HOUR),
            finding(2, "urgent", NOW - HOUR, status="accepted"),
            finding(3, "high", NOW - HOUR, status="rejected"),
            finding(4, "urgent", NOW - 2 * DAY),
        ),
    )
    found = build(DigestInput(automations=[state, replace(state, repository="acme/ops", team="OPS")])).found
    assert [one.identifier for one in found] == ["ENG-2", "ENG-1"]


def test_digest_sums_up_exactly_the_costs_since_the_last_one() -> None:
    def spent(number: int, usd: float) -> Loop:
        return loop(number, Stage.DONE, usage=Usage(cost_usd=usd))

    state = AutomationState(repository="acme/shop", team="ENG", spent={"ci": {"2026-11-25": 0.5}})
    yesterday = DigestInput(loops=[spent(1, 2.0), spent(5, 9.0)], automations=[state])
    today = DigestInput(
        loops=[spent(1, 2.25), spent(2, 0.125), replace(loop(3, team="OPS"), spend=spent(3, 7.0).spend)],
        automations=[replace(state, spent={"ci": {"2026-11-25": 0.6, "2026-11-26": 0.25}})],
    )
    before = begin_record("ENG", yesterday, at(25, 8))
    assert build(today, before).spent_usd == 0.725
    assert build(today, begin_record("ENG", today, at(25, 8))).spent_usd == 0.0


def test_digest_is_empty_without_news() -> None:
    assert build(DigestInput(loops=[loop(1, Stage.MAKING)], unreviewed_lines=500)).is_empty
    problem = Problem(key="k", team="ENG", kind="dead_letter", subject="X", reason="r")
    assert not build(DigestInput(problems=[KnownProblem(problem=problem, first_at=1.0, last_at=1.0)])).is_empty
    assert not build(DigestInput(merged=[merged(1, NOW - HOUR)])).is_empty
