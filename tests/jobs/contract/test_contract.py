from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.results import Proposal, ProposedCriterion, Question
from integrations.values import Ticket
from jobs.contract.agreement import (
    agree,
    build_contract,
    build_own_contract,
    needs_no_approval,
    read_answer,
    read_ticket_criteria,
)
from jobs.contract.criteria import MAX_CRITERIA, find_command
from jobs.loop.policy import Check, LoopPolicy, RepositoryPolicy
from jobs.loop.state import Contract
from tests.loops import changed

CHECKED = RepositoryPolicy(loop=LoopPolicy(checks=(Check(name="tests", run="make test"),)))
ASKING = replace(CHECKED, loop=replace(CHECKED.loop, contract="ask"))
TICKET = Ticket(id="t", identifier="ENG-1", title="Name the flag")
PROPOSAL = Proposal(
    criteria=(
        ProposedCriterion(text="it is there", evidence="file and line"),
        ProposedCriterion(text="the suite passes", command="make test"),
    ),
    confidence="high",
)


def shown(contract: Contract | None) -> list[tuple[str, str, str, str]]:
    assert contract
    return [(c.id, c.text, c.command, c.evidence) for c in contract.criteria]


@pytest.mark.parametrize(
    ("item", "command"),
    [
        ("`pytest tests/auth -q` passes", "pytest tests/auth -q"),
        ("`./check.sh` exits 0", "./check.sh"),
        ("running `make lint` succeeds", "make lint"),
        ("a `--json` flag exists", ""),
        ("the sixth login is answered with `429`", ""),
        ("the `Login` class is gone", ""),
        ("`--strict` passes", ""),
        ("it works", ""),
    ],
)
def test_criterion_has_a_command_only_with_a_verb_for_it(item: str, command: str) -> None:
    assert find_command(item) == command


def test_contract_has_the_tickets_list_and_the_repositorys_checks() -> None:
    contract = agree("Done when\n- `pytest` passes\n- README.md says so (evidence: file and line)", CHECKED, None)

    assert [(i, command) for i, _, command, _ in shown(contract)] == [("c1", "pytest"), ("c2", ""), ("k1", "make test")]


def test_answer_counts_without_a_proposal() -> None:
    assert [text for _, text, _, _ in shown(read_answer("- one\n- two", TICKET, None, CHECKED))][:2] == ["one", "two"]


@pytest.mark.parametrize(
    "description", ["vague", "", "Done when\n- it works well", "Done when\n- `make` passes\n- TBD"]
)
@pytest.mark.parametrize("policy", [RepositoryPolicy(), CHECKED])
def test_contract_is_missing_without_checkable_criteria(description: str, policy: RepositoryPolicy) -> None:
    assert agree(description, policy, None) is None


def test_contract_digest_changes_with_the_text_and_not_with_the_version() -> None:
    one, two = (
        build_own_contract("Done when\n- x is printed", CHECKED),
        build_own_contract("Done when\n- y is printed", CHECKED),
    )

    assert one and two and one.digest != two.digest
    assert one.digest == replace(one, version=2).digest


def test_criteria_of_the_ticket_are_complete_when_all_can_be_checked() -> None:
    found = read_ticket_criteria("Done when\n- `pytest` passes\n- README.md shows it (evidence: file and line)")

    assert found.is_complete
    assert [(c.command, c.evidence) for c in found.criteria] == [("pytest", ""), ("", "file and line")]


OWN = "Done when\n- `pytest` passes\n- the sum is right"


@pytest.mark.parametrize("item", ["it works well", "TBD", "the sixth login is refused", "`--json` is there"])
def test_criterion_without_a_command_makes_the_list_incomplete(item: str) -> None:
    assert not read_ticket_criteria(f"Done when\n- `pytest` passes\n- {item}").is_complete


def test_own_list_is_a_contract_once_the_planner_confirms_it() -> None:
    confirmed = Proposal(criteria=read_ticket_criteria(OWN).criteria, confidence="high")

    assert agree(OWN, CHECKED, confirmed) == build_own_contract(OWN, CHECKED)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"confidence": "low"}, id="low confidence"),
        pytest.param({"questions": (Question(text="which?"),)}, id="a question"),
        pytest.param({"criteria": PROPOSAL.criteria}, id="another list"),
        pytest.param({"criteria": read_ticket_criteria(OWN).criteria[:1]}, id="a part of it"),
    ],
)
def test_own_list_is_no_contract_while_the_planner_doubts(changes: dict[str, Any]) -> None:
    confirmed = Proposal(criteria=read_ticket_criteria(OWN).criteria, confidence="high")

    assert agree(OWN, CHECKED, changed(confirmed, **changes)) is None


def test_own_list_beyond_the_limit_cannot_be_confirmed() -> None:
    long = "Done when\n" + "\n".join(f"- number {n} is printed" for n in range(MAX_CRITERIA + 5))

    assert agree(long, CHECKED, Proposal(criteria=read_ticket_criteria(long).criteria, confidence="high")) is None
    assert build_own_contract(long, CHECKED) is None


def test_criteria_beyond_the_limit_are_counted() -> None:
    found = read_ticket_criteria("Done when\n" + "\n".join(f"- number {n} is printed" for n in range(MAX_CRITERIA + 5)))

    assert (len(found.criteria), found.left_out, found.is_complete) == (MAX_CRITERIA, 5, False)


def test_criteria_are_incomplete_without_a_list() -> None:
    assert not read_ticket_criteria("make it better").is_complete


def test_contract_of_a_proposal_has_the_repositorys_checks() -> None:
    contract = build_contract(PROPOSAL.criteria, CHECKED)

    assert shown(contract) == [
        ("c1", "it is there", "", "file and line"),
        ("c2", "the suite passes", "make test", ""),
        ("k1", "tests (repository check)", "make test", ""),
    ]


def test_contract_always_has_the_repositorys_checks() -> None:
    assert shown(build_contract([], CHECKED)) == [("k1", "tests (repository check)", "make test", "")]


def test_answer_ok_accepts_the_proposal_or_without_one_the_list_or_title() -> None:
    assert read_answer("ok", TICKET, PROPOSAL, CHECKED) == build_contract(PROPOSAL.criteria, CHECKED)
    assert shown(read_answer("ok", TICKET, None, RepositoryPolicy())) == [("c1", "Name the flag", "", "")]
    listed = replace(TICKET, description=OWN)
    assert read_answer("ok", listed, None, CHECKED) == build_own_contract(OWN, CHECKED)


def test_answer_with_an_edited_list_is_the_contract() -> None:
    contract = read_answer("- it is there\n- it says so", TICKET, PROPOSAL, RepositoryPolicy())

    assert [(text, kind) for _, text, _, kind in shown(contract)] == [
        ("it is there", "file and line"),
        ("it says so", ""),
    ]


def test_answer_with_other_text_is_for_the_planner_or_without_one_a_criterion() -> None:
    assert read_answer("rather blue", TICKET, PROPOSAL, CHECKED) is None
    assert shown(read_answer("rather blue", TICKET, None, RepositoryPolicy())) == [("c1", "rather blue", "", "")]


def test_approval_is_skipped_only_with_policy_checks_and_a_certain_planner() -> None:
    doubtful = replace(PROPOSAL, confidence="low")
    asking = replace(PROPOSAL, questions=(Question(text="which?"),))

    assert needs_no_approval(PROPOSAL, "vague", CHECKED)
    assert not any(needs_no_approval(p, "vague", CHECKED) for p in (doubtful, asking, Proposal(criteria=())))
    assert not any(needs_no_approval(PROPOSAL, "vague", policy) for policy in (ASKING, RepositoryPolicy()))
    assert not needs_no_approval(PROPOSAL, OWN, CHECKED)
