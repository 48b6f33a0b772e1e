"""The provenance of a run, from its spec, transcript and result."""

from __future__ import annotations

import json

import pytest

from integrations.agents.entries import turn_entry
from integrations.events import EVENT, RunFinished
from integrations.proof import Experiment
from integrations.results import (
    PROVENANCE,
    BaseCheck,
    Checked,
    CriterionResult,
    Evidence,
    Gated,
    Judged,
    Judgement,
    Made,
    Preflighted,
    Result,
    Tampering,
    Verdict,
)
from integrations.values import Ticket, Usage
from jobs.evidence.provenance import build_provenance, describe_verdicts, list_reported_models
from jobs.loop.commands import RunSpec
from jobs.loop.state import Candidate, Contract, Criterion
from tests.loops import run_finished, spec_with

BASE, START, HEAD = "b" * 40, "a" * 40, "c" * 40
PASSED = Evidence(name="c1", command="make secret-name", exit_code=0)


def a_spec(**fields: object) -> RunSpec:
    return spec_with(Ticket(id="t1", identifier="ENG-1", title="Add"), "ENG-1-g1-r0-i1-maker", **fields)


def test_provenance_names_commits_models_digests_and_money() -> None:
    spec = a_spec(model="large", contract=Contract(criteria=(Criterion(id="c1", text="it works"),)))
    inputs = {"prompt": "p" * 64, "environment": "e" * 32, "sandbox": "s" * 64}

    found = build_provenance(spec, "done", Made(head_sha=HEAD), inputs, [], Usage(cost_usd=0.5))

    assert (found.base_sha, found.start_sha, found.head_sha) == (BASE, START, HEAD)
    assert (found.model, found.contract, found.cost_usd) == ("large", spec.contract.digest, 0.5)
    assert {name: getattr(found, name) for name in inputs} == inputs
    assert PROVENANCE.decode(PROVENANCE.encode(found)) == found


def test_provenance_of_a_run_that_commits_nothing_names_the_commit_that_it_examined() -> None:
    assert build_provenance(a_spec(role="gate"), "done", Gated(), {}, [], Usage()).head_sha == START
    assert build_provenance(a_spec(), "turns", Made(), {}, [], Usage()).head_sha == START


def test_provenance_of_a_run_that_did_not_end_has_no_verdict() -> None:
    result = Gated(evidence=(PASSED,))
    assert build_provenance(a_spec(role="gate"), "stopped", result, {}, [], Usage()).verdicts == ()


def test_reported_models_are_listed_once_in_the_order_of_their_replies() -> None:
    names = ("large-2", "large-1", "large-2", "")
    turns = [turn_entry("end", {}, 1, model=name) for name in names]
    assert list_reported_models(turns) == ("large-2", "large-1")


@pytest.mark.parametrize(
    ("result", "clauses"),
    [
        (
            Preflighted(checks=(BaseCheck(command="a"), BaseCheck(command="b", state="failing"))),
            ("checks on the base commit: 1 failing, 1 passed",),
        ),
        (
            Gated(
                evidence=(PASSED, Evidence(name="c2", command="b", exit_code=1)),
                tampering=(
                    Tampering(kind="secret", path="private-name"),
                    Tampering(kind="protected", path="a"),
                    Tampering(kind="protected", path="b"),
                ),
                stray=("x.log",),
                dependencies=("new (package.json)",),
            ),
            (
                "gate: 1 failed, 1 passed",
                "needs acceptance: 2 protected, 1 secret",
                "stray files: 1",
                "new dependencies: 1",
            ),
        ),
        (
            Gated(
                experiments=(
                    Experiment(criterion="c1", kind="old_tests", result="held", text="private"),
                    Experiment(criterion="c1", kind="writes", result="asked", names=("private-name",)),
                    Experiment(criterion="c2", kind="old_tests", result="held"),
                )
            ),
            ("gate: none", "experiments: 1 asked, 2 held"),
        ),
        (Gated(), ("gate: none",)),
        (Judged(judgement=Judgement(done=True)), ("judge: done",)),
        (Judged(judgement=Judgement(done=True, missing=("c1",))), ("judge: not done",)),
        (Judged(), ()),
        (
            Checked(
                verdict=Verdict(
                    head_sha=HEAD, results=(CriterionResult(criterion="c1", result="pass"),), no_change_needed=True
                )
            ),
            ("checker: 1 pass, no change needed",),
        ),
        (Made(head_sha=HEAD), ()),
    ],
    ids=["preflight", "gate", "proof", "empty gate", "judge", "judge with gaps", "no judgement", "checker", "maker"],
)
def test_verdicts_are_counts_and_kinds_without_texts(result: Result, clauses: tuple[str, ...]) -> None:
    found = describe_verdicts(result)
    assert found == clauses
    assert "private-name" not in str(found) and "secret-name" not in str(found)


def test_finished_run_of_an_older_release_has_no_provenance() -> None:
    plain = json.loads(EVENT.encode(run_finished("gate", ticket_id="t1", run_id="r", generation=1)))
    del plain["provenance"]

    event = EVENT.from_builtins(plain)

    assert isinstance(event, RunFinished) and event.provenance is None
    assert Candidate().add_provenance(event.provenance) == Candidate()


def test_candidate_keeps_the_last_run_of_each_role_and_finds_only_those_of_its_commit() -> None:
    made = build_provenance(a_spec(), "done", Made(head_sha=HEAD), {}, [], Usage())
    checked = build_provenance(a_spec(role="checker", start_sha=HEAD), "done", Checked(), {}, [], Usage())
    first = build_provenance(a_spec(), "done", Made(head_sha=START), {}, [], Usage())

    candidate = Candidate(head_sha=HEAD)
    for one in (first, made, checked):
        candidate = candidate.add_provenance(one)

    assert candidate.provenance == (made, checked)
    assert candidate.find_provenance("maker") == made and candidate.find_provenance("checker") == checked
    assert candidate.at(START).find_provenance("maker") is None, "the record is that of another commit"
