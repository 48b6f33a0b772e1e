"""A request of a person for which no commit was made: done only where a place shows that it held before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from integrations.results import CriterionResult, Evidence, Verdict
from jobs.evidence.verdicts import (
    NO_NEW_COMMIT,
    KnownEvidence,
    SubmittedVerdict,
    build_verdict,
    find_unproven,
    reject_unproven,
)
from jobs.loop.commands import PostComment, StartRun
from jobs.loop.comments import Guidance
from jobs.loop.state import Contract, Criterion, Loop, Stage
from jobs.roles.briefs import build_checker_brief
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.run import add_requested_criterion
from tests.jobs.workflow.values import HEAD, OTHER, finished, passing, said
from tests.loops import changed

GATE = Evidence(name="c1", command="pytest -q", exit_code=0)
KNOWN = KnownEvidence({"c1": GATE}, {"pytest -q": "exit 0", "grep json cli.py": "exit 0"}, lambda path: 50)


def refer(*references: dict[str, object]) -> Verdict:
    """The verdict of a checker that passes r1 with these references."""
    result = {"criterion": "r1", "result": "pass", "evidence": list(references)}
    answer = SubmittedVerdict.model_validate({"results": [result], "summary": "done", "confidence": "high"})
    return build_verdict(answer, HEAD, KNOWN)  # type: ignore[arg-type]


def requested(since: str = HEAD) -> Contract:
    return Contract(criteria=(Criterion(id="r1", text="as Ana asked: keep --json", since=since),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("references", "place"),
    [
        pytest.param([{"source": "file", "name": "cli.py", "line": 12}], "cli.py:12", id="file and line"),
        pytest.param([{"source": "file", "name": "cli.py:12"}], "cli.py:12", id="line in the name"),
        pytest.param([{"source": "command", "name": "grep json cli.py"}], "`grep json cli.py` exit 0", id="command"),
        pytest.param([{"source": "file", "name": "cli.py"}], "", id="file without a line"),
        pytest.param([{"source": "gate", "name": "c1"}], "", id="command of the gate"),
        pytest.param([{"source": "command", "name": "pytest -q"}], "", id="command of the contract, run again"),
    ],
)
def test_request_without_a_commit_passes_only_with_a_place(references: Sequence[dict[str, object]], place: str) -> None:
    verdict = refer(*references)

    assert verdict.results[0].place == place
    assert bool(find_unproven(verdict, requested())) is not bool(place)
    assert find_unproven(verdict, requested(since=OTHER)) == ()


def checking(making: Loop, policy: ServicePolicy, place: str = "") -> tuple[Loop, Verdict]:
    """A loop in review whose request brought no commit, while the checker examines it, and the checker's verdict."""
    reviewed = changed(making, stage=Stage.REVIEW, head_sha=HEAD, pushed_sha=HEAD, number=7, verdict=passing())
    asked = add_requested_criterion(reviewed, Guidance(author="Ana", text="keep --json"))
    results = (*passing().results, CriterionResult(criterion="r1", result="pass", evidence="seen", place=place))
    loop = changed(asked, stage=Stage.CHECKING, run_id="ENG-1-g1-r1-i1-checker", iteration=1)
    return loop, replace(passing(), results=results)


def test_request_without_a_commit_is_not_ticked(making: Loop, policy: ServicePolicy) -> None:
    loop, verdict = checking(making, policy)

    decision = decide(loop, finished(loop, verdict=verdict), policy)

    after = decision.loop.candidate.verdict
    assert after and after.results[-1] == CriterionResult(criterion="r1", result="fail", evidence=NO_NEW_COMMIT)
    assert decision.loop.stage is Stage.MAKING and "no new commit" in decision.loop.attempt.tried[-1]


def test_request_that_held_before_is_done_and_says_so(making: Loop, policy: ServicePolicy) -> None:
    loop, verdict = checking(making, policy, place="tally/cli.py:12")

    decision = decide(loop, finished(loop, verdict=verdict), policy)

    assert decision.loop.stage is Stage.PUBLISHING


def test_request_that_is_refused_again_is_for_a_person(making: Loop, policy: ServicePolicy) -> None:
    loop, verdict = checking(making, policy)
    again = decide(loop, finished(loop, verdict=verdict), policy).loop

    decision = decide(again, finished(again, outcome="no_change", head_sha=HEAD), policy)

    (comment,) = [c for c in decision.commands if isinstance(c, PostComment)]
    assert decision.loop.stage is Stage.NEEDS_HUMAN and "no new commit for a request in two" in comment.body
    assert not any(isinstance(c, StartRun) for c in decision.commands)


def test_request_with_a_commit_needs_no_place(making: Loop, policy: ServicePolicy) -> None:
    loop, verdict = checking(making, policy)
    moved = changed(loop, head_sha=OTHER)

    assert decide(moved, finished(moved, verdict=replace(verdict, head_sha=OTHER)), policy).loop.stage is (
        Stage.PUBLISHING
    )


def test_request_in_review_is_about_the_commit_under_review(making: Loop, policy: ServicePolicy) -> None:
    reviewed = changed(making, stage=Stage.REVIEW, head_sha=HEAD, pushed_sha=HEAD, number=7, verdict=passing())

    asked = decide(reviewed, said("/changes keep --json"), policy).loop

    assert asked.contract and asked.contract.criteria[-1].since == HEAD
    assert asked.contract.digest == replace(asked.contract, criteria=(
        *asked.contract.criteria[:-1], replace(asked.contract.criteria[-1], since=OTHER)
    )).digest  # fmt: skip


def test_brief_of_the_checker_names_the_unchanged_requests(making: Loop, policy: ServicePolicy) -> None:
    loop, verdict = checking(making, policy)
    again = decide(loop, finished(loop, verdict=verdict), policy)
    (start,) = [c for c in again.commands if isinstance(c, StartRun)]

    assert "since a person requested r1." in build_checker_brief(start.spec, "")
    assert "## Unchanged" not in build_checker_brief(replace(start.spec, start_sha=OTHER), "")  # type: ignore[arg-type]


def test_rejected_requests_keep_the_other_results() -> None:
    kept = CriterionResult(criterion="c1", result="pass", evidence="x")
    verdict = replace(
        refer({"source": "gate", "name": "c1"}), results=(kept, *refer({"source": "gate", "name": "c1"}).results)
    )

    assert [r.result for r in reject_unproven(verdict, requested()).results] == ["pass", "fail"]
