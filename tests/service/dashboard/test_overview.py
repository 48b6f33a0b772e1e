"""View models of the dashboard: groups, order, marks, links. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from integrations.results import CriterionResult, Evidence, Tampering, TamperKind, Verdict
from integrations.values import QueuePlace, Usage
from jobs.loop.caps import Caps
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.state import Escalation, EscalationClass, Stage
from jobs.workflow.decision import ServicePolicy
from service.dashboard import overview
from service.dashboard.page_text import cache, code, duration, iso, money
from tests.service.dashboard.story import CONTRACT, PROPOSAL, a_loop, a_run

LIMITS = ServicePolicy(teams={}, max_iterations=3, max_attempts=2, caps=Caps(ticket_usd=20.0))


@pytest.mark.parametrize("stage", Stage)
def test_row_has_a_group_and_a_text_for_every_stage(stage: Stage) -> None:
    row = overview.row(a_loop(stage=stage), LIMITS)
    assert row.group in overview.GROUPS and row.stage_text


@pytest.mark.parametrize("stage", [Stage.NEEDS_HUMAN, Stage.ASKING, Stage.REVIEW])
def test_group_is_needs_you_for_stages_that_wait_for_a_person(stage: Stage) -> None:
    assert overview.group_of(stage) == "needs_you"


def test_rows_are_sorted_by_group_then_by_activity() -> None:
    loops = [
        a_loop(1, stage=Stage.DONE, started_at=90.0, finished_at=95.0),
        a_loop(2, stage=Stage.MAKING, started_at=10.0),
        a_loop(3, stage=Stage.MAKING, started_at=20.0),
        a_loop(4, stage=Stage.ASKING, started_at=1.0),
    ]
    rows = overview.in_order(overview.row(loop, LIMITS) for loop in loops)
    assert [row.identifier for row in rows] == ["ENG-4", "ENG-3", "ENG-2", "ENG-1"]


def test_row_activity_includes_the_agent() -> None:
    assert overview.row(a_loop(started_at=10.0), LIMITS, active_at=50.0).active_at == 50.0


def test_row_iterations_come_from_the_repository_or_the_service() -> None:
    policy = RepositoryPolicy(loop=LoopPolicy(iterations=7))
    assert overview.row(a_loop(policy=policy), LIMITS).iterations == 7
    assert overview.row(a_loop(), LIMITS).iterations == 3


def test_row_budget_includes_what_people_added() -> None:
    row = overview.row(a_loop(extra_usd=3.0), LIMITS)
    assert (row.cap_usd, row.extra_usd, row.attempts) == (23.0, 3.0, 2)


def test_row_budget_can_be_lowered_by_the_repository() -> None:
    policy = RepositoryPolicy(loop=LoopPolicy(ticket_budget_usd=4.0, attempts=1))
    row = overview.row(a_loop(policy=policy), LIMITS)
    assert (row.cap_usd, row.attempts) == (4.0, 1)


@pytest.mark.parametrize("kind", get_args(EscalationClass))
def test_escalation_has_a_text_for_every_class(kind: EscalationClass) -> None:
    call = overview.row(a_loop(escalation=Escalation(kind=kind, at=5.0, raised=2)), LIMITS).escalation
    assert call and call.text and (call.kind, call.at, call.raised, call.acknowledged) == (kind, 5.0, 2, False)


@pytest.mark.parametrize("kind", get_args(TamperKind))
def test_tampering_has_a_text_for_every_kind(kind: TamperKind) -> None:
    loop = a_loop(tampering=(Tampering(kind=kind, path="a.py", line=3),))
    (one,) = overview.ticket(loop, overview.row(loop, LIMITS), []).tampering
    assert one.what and (one.kind, one.path, one.line) == (kind, "a.py", 3)


@pytest.mark.parametrize(("accepted", "head", "shown"), [("a", "a", True), ("a", "b", False), ("", "", False)])
def test_tampering_is_accepted_for_one_commit(accepted: str, head: str, shown: bool) -> None:
    loop = a_loop(accepted_sha=accepted, head_sha=head)
    assert overview.ticket(loop, overview.row(loop, LIMITS), []).tampering_accepted is shown


@pytest.mark.parametrize(
    ("fields", "mark", "codes"),
    [
        ({"exit_code": 0}, "passed", (0,)),
        ({"exit_code": 2}, "failed", (2,)),
        ({"exit_code": 1, "exit_codes": (1, 1)}, "failed", (1, 1)),
        ({"exit_code": 0, "exit_codes": (1, 0)}, "flaky", (1, 0)),
    ],
)
def test_evidence_with_different_exit_codes_is_flaky(fields: dict[str, Any], mark: str, codes: tuple[int, ...]) -> None:
    loop = a_loop(evidence=(Evidence(name="c1", command="x", **fields),))
    (one,) = overview.ticket(loop, overview.row(loop, LIMITS), []).evidence
    assert (one.mark, one.exit_codes) == (mark, codes)


@pytest.mark.parametrize(("stage", "shown"), [(Stage.ASKING, True), (Stage.MAKING, False)])
def test_proposal_is_shown_while_it_awaits_an_answer(stage: Stage, shown: bool) -> None:
    loop = a_loop(stage=stage, proposal=PROPOSAL)
    assert (overview.ticket(loop, overview.row(loop, LIMITS), []).proposal is not None) is shown


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        " https://a",
        "//a",
        "https:///x",
        "http://",
        "",
    ],
)
def test_link_rejects_addresses_that_are_not_http(address: str) -> None:
    assert overview.web_link(address) == ""


def test_link_accepts_an_http_address() -> None:
    assert overview.web_link("https://linear.app/acme/issue/ENG-1") == "https://linear.app/acme/issue/ENG-1"


def test_criterion_is_open_without_evidence_and_verdict() -> None:
    assert [one.mark for one in overview.criteria(CONTRACT, (), None)] == ["open", "open", "open"]


def test_criterion_mark_of_the_checker_overrides_the_exit_code() -> None:
    evidence = [Evidence(name=name, command="x", exit_code=code) for name, code in (("c1", 0), ("k1", 1))]
    result = CriterionResult(criterion="c1", result="fail", evidence="it asserts nothing")
    first, second, third = overview.criteria(CONTRACT, evidence, Verdict(head_sha="a", results=(result,)))
    assert (first.mark, second.mark, third.mark) == ("fail", "open", "fail")
    assert first.evidence == "it asserts nothing"


def test_criterion_command_is_hidden_when_its_text_contains_it() -> None:
    assert [one.command for one in overview.criteria(CONTRACT, (), None)] == ["", "", "ruff check ."]


@pytest.mark.parametrize(
    ("run_id", "revision"),
    [("ENG-1-g2-r3-i4-maker", 3), ("ENG-1-g2-r3-a2-i4-scout", 3), ("odd", 0), ("A-r9-g1-r0-i1-gate", 0)],
)
def test_run_revision_is_parsed_from_its_id(run_id: str, revision: int) -> None:
    shown = overview.run(a_run(a_loop(), run_id=run_id), Usage(), unfinished=False)
    assert shown.revision == revision


def test_ticket_shows_the_current_run_or_the_last_one() -> None:
    loop = a_loop()
    runs = [overview.run(a_run(loop, role), Usage(), unfinished=False) for role in ("maker", "gate")]
    row = overview.row(loop, LIMITS)
    current = replace(loop, run_id=runs[0].run_id)
    assert overview.ticket(current, row, runs).run_id == runs[0].run_id
    assert overview.ticket(loop, row, runs).run_id == runs[1].run_id
    assert overview.ticket(loop, row, []).run_id == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0.4 s"), (42, "42 s"), (60, "1 min"), (3599, "59 min"), (7500, "2 h 5 min")]
)
def test_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_time_is_formatted_in_utc() -> None:
    assert iso(0.0) == "1970-01-01T00:00:00Z"


def test_money_includes_the_number_of_calls() -> None:
    assert money(Usage(model_calls=1, cost_usd=0.5)) == "$0.50 · 1 call"


def test_code_in_backticks_is_marked_up_and_everything_is_escaped() -> None:
    assert code("run `<b>` & <i>") == "run <code>&lt;b&gt;</code> &amp; &lt;i&gt;"


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        (Usage(), ""),
        (Usage(input_tokens=1000, cached_tokens=0), "cache 0 %"),
        (Usage(input_tokens=1000, cached_tokens=999), "cache 99 %"),
        (
            Usage(input_tokens=1000, cached_tokens=931, cache_misses=1, cache_miss_reason="messages_changed"),
            "cache 93 %, 1 miss (messages_changed)",
        ),
        (Usage(input_tokens=1000, cached_tokens=500, cache_misses=2), "cache 50 %, 2 misses"),
    ],
)
def test_cache_share_and_misses(usage: Usage, text: str) -> None:
    assert cache(usage) == text


def test_row_that_needs_a_person_shows_since_when() -> None:
    review = a_loop(started_at=10.0, stage=Stage.REVIEW, shown_at=500.0)
    called = a_loop(started_at=10.0, stage=Stage.NEEDS_HUMAN, escalation=Escalation(kind="budget", at=700.0))

    assert [overview.row(one, LIMITS).active_at for one in (review, called)] == [500.0, 700.0]


def test_row_of_a_queued_run_shows_its_place() -> None:
    place = QueuePlace(place=3, waiting=5, agents=4, busy=4)

    assert overview.row(a_loop(), LIMITS, queued=place).stage_text == "Queued, 3rd of 5, all 4 agents are busy"
