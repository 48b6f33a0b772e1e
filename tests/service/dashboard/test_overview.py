"""Groups, order, marks and links: what the dashboard says about loops, without any I/O."""

from __future__ import annotations

import pytest

from integrations.results import CriterionResult, Evidence, Verdict
from integrations.values import Usage
from jobs.loop import Stage
from jobs.policy import LoopPolicy, RepositoryPolicy
from service import overview
from service.page_text import cache, code, duration, iso, money
from tests.service.dashboard.story import CONTRACT, a_loop, a_run


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_has_a_group_and_words(stage: Stage) -> None:
    row = overview.row(a_loop(stage=stage), 3)
    assert row.group in overview.GROUPS and row.stage_text


@pytest.mark.parametrize("stage", [Stage.NEEDS_HUMAN, Stage.ASKING, Stage.REVIEW])
def test_what_waits_for_a_person_needs_you(stage: Stage) -> None:
    assert overview.group_of(stage) == "needs_you"


def test_those_that_need_you_come_first_then_the_newest() -> None:
    loops = [
        a_loop(1, stage=Stage.DONE, started_at=90.0, finished_at=95.0),
        a_loop(2, stage=Stage.MAKING, started_at=10.0),
        a_loop(3, stage=Stage.MAKING, started_at=20.0),
        a_loop(4, stage=Stage.ASKING, started_at=1.0),
    ]
    rows = overview.in_order(overview.row(loop, 3) for loop in loops)
    assert [row.identifier for row in rows] == ["ENG-4", "ENG-3", "ENG-2", "ENG-1"]


def test_activity_of_the_agent_counts_for_the_order() -> None:
    assert overview.row(a_loop(started_at=10.0), 3, active_at=50.0).active_at == 50.0


def test_the_repository_sets_the_number_of_iterations_before_the_service() -> None:
    policy = RepositoryPolicy(loop=LoopPolicy(iterations=7))
    assert overview.row(a_loop(policy=policy), 3).iterations == 7
    assert overview.row(a_loop(), 3).iterations == 3


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
def test_an_address_that_is_not_of_the_web_is_no_link(address: str) -> None:
    assert overview.web_link(address) == ""


def test_an_address_of_the_web_is_a_link() -> None:
    assert overview.web_link("https://linear.app/acme/issue/ENG-1") == "https://linear.app/acme/issue/ENG-1"


def test_a_criterion_is_open_until_something_speaks_about_it() -> None:
    assert [one.mark for one in overview.criteria(CONTRACT, (), None)] == ["open", "open", "open"]


def test_exit_codes_mark_criteria_and_the_checker_overrules_them() -> None:
    evidence = [Evidence(name=name, command="x", exit_code=code) for name, code in (("c1", 0), ("k1", 1))]
    said = CriterionResult(criterion="c1", result="fail", evidence="it asserts nothing")
    first, second, third = overview.criteria(CONTRACT, evidence, Verdict(head_sha="a", results=(said,)))
    assert (first.mark, second.mark, third.mark) == ("fail", "open", "fail")
    assert first.evidence == "it asserts nothing"


def test_a_command_that_the_text_names_already_is_not_shown_twice() -> None:
    assert [one.command for one in overview.criteria(CONTRACT, (), None)] == ["", "", "ruff check ."]


@pytest.mark.parametrize(("run_id", "revision"), [("ENG-1-g2-r3-i4-maker", 3), ("odd", 0), ("A-r9-g1-r0-i1-gate", 0)])
def test_the_revision_is_read_from_the_run_s_name(run_id: str, revision: int) -> None:
    shown = overview.run(a_run(a_loop(), run_id=run_id), Usage(), unfinished=False)
    assert shown.revision == revision


def test_the_current_run_is_shown_and_else_the_last() -> None:
    loop = a_loop()
    runs = [overview.run(a_run(loop, role), Usage(), unfinished=False) for role in ("maker", "gate")]
    row = overview.row(loop, 3)
    current = loop.model_copy(update={"run_id": runs[0].run_id})
    assert overview.ticket(current, row, runs).run_id == runs[0].run_id
    assert overview.ticket(loop, row, runs).run_id == runs[1].run_id
    assert overview.ticket(loop, row, []).run_id == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0.4 s"), (42, "42 s"), (60, "1 min"), (3599, "59 min"), (7500, "2 h 5 min")]
)
def test_a_duration_reads_as_a_person_says_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_are_in_utc() -> None:
    assert iso(0.0) == "1970-01-01T00:00:00Z"


def test_money_counts_calls() -> None:
    assert money(Usage(model_calls=1, cost_usd=0.5)) == "$0.50 · 1 call"


def test_back_ticks_become_code_and_everything_is_escaped() -> None:
    assert code("run `<b>` & <i>") == "run <code>&lt;b&gt;</code> &amp; &lt;i&gt;"


@pytest.mark.parametrize(
    ("usage", "words"),
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
def test_how_well_the_cache_served(usage: Usage, words: str) -> None:
    assert cache(usage) == words
