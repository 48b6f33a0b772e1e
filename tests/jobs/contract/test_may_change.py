from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.results import Proposal, ProposedCriterion
from integrations.values import Ticket
from jobs.contract.agreement import agree, build_own_contract, needs_no_approval, read_answer, read_ticket_criteria
from jobs.contract.may_change import can_reach_protected, clean_patterns, split_may_change
from jobs.loop.policy import Check, LoopPolicy, RepositoryPolicy
from jobs.loop.state import Contract, Criterion

CHECKED = RepositoryPolicy(loop=LoopPolicy(checks=(Check(name="tests", run="make test"),), contract="auto"))
TICKET = Ticket(id="t", identifier="ENG-1", title="Raise the fees")
PROPOSAL = Proposal(
    criteria=(ProposedCriterion(text="the fee is 3", evidence="file and line"),),
    confidence="high",
    may_change=("tests/test_fees.py",),
)


@pytest.mark.parametrize(
    "description",
    [
        "Done when\n- `pytest` passes\n- May change: `tests/test_fees.py`, ci/**",
        "## Done when\n\n- `pytest` passes\n\n**May change:** tests/test_fees.py, ci/**.",
        "Done when\n- `pytest` passes\nMay change: tests/test_fees.py; ci/",
        "Acceptance criteria:\n* May change: ./tests/test_fees.py, ci/**\n* `pytest` passes",
    ],
)
def test_ticket_names_in_its_list_what_may_change(description: str) -> None:
    contract = agree(description, CHECKED, None)

    assert contract
    assert [criterion.text for criterion in contract.criteria] == ["`pytest` passes", "tests (repository check)"]
    assert contract.may_change == ("tests/test_fees.py", "ci/**")


@pytest.mark.parametrize(
    "description",
    [
        "May change: tests/test_fees.py\n\nDone when\n- `pytest` passes",
        "Done when\n- `pytest` passes\n\n> May change: tests/test_fees.py",
        "Done when\n- `pytest` passes\n\n```\nMay change: tests/test_fees.py\n```",
        "Done when\n- `pytest` passes\n- prices may change: daily",
    ],
)
def test_ticket_allows_no_change_outside_of_its_list(description: str) -> None:
    assert read_ticket_criteria(description).may_change == ()


@pytest.mark.parametrize(
    ("answer", "texts", "may_change"),
    [
        ("ok", ["the fee is 3"], ("tests/test_fees.py",)),
        ("ok\nMay change: Makefile", ["the fee is 3"], ("Makefile",)),
        ("May change: Makefile", ["the fee is 3"], ("Makefile",)),
        ("May change: nothing", ["the fee is 3"], ()),
        ("add: the fee is shown", ["the fee is 3", "the fee is shown"], ("tests/test_fees.py",)),
        ("- the fee is 4", ["the fee is 4"], ()),
        ("- the fee is 4\n- May change: a/b.py", ["the fee is 4"], ("a/b.py",)),
    ],
)
def test_answer_of_a_person_decides_what_may_change(answer: str, texts: list[str], may_change: tuple[str, ...]) -> None:
    contract = read_answer(answer, TICKET, PROPOSAL, RepositoryPolicy())

    assert contract
    assert [criterion.text for criterion in contract.criteria] == texts
    assert contract.may_change == may_change


def test_planner_cannot_confirm_a_list_and_allow_more_than_it_names() -> None:
    listed = "Done when\n- the fee is 3 (evidence: file and line)\n- it is shown\n"
    own = read_ticket_criteria(listed).criteria
    confirmed = Proposal(criteria=own, confidence="high", may_change=("tests/test_fees.py",))

    assert agree(listed, CHECKED, confirmed) is None
    assert agree(f"{listed}- May change: tests/test_fees.py", CHECKED, confirmed)
    assert agree(listed, CHECKED, replace(confirmed, may_change=()))


@pytest.mark.parametrize(
    ("patterns", "starts"),
    [
        (("tests/test_fees.py", "tests/**"), True),
        ((".github/workflows/ci.yml",), False),
        ((".github/**",), False),
        (("**/*.py",), False),
        (("deploy/a.yml",), False),
    ],
)
def test_auto_contract_starts_no_change_of_ci_and_protected_paths(patterns: tuple[str, ...], starts: bool) -> None:
    policy = replace(CHECKED, loop=replace(CHECKED.loop, protected=("deploy/**",)))

    assert needs_no_approval(replace(PROPOSAL, may_change=patterns), "", policy) is starts
    assert can_reach_protected(patterns, ("deploy/**",)) is not starts


def test_contract_digest_changes_with_what_may_change_and_not_without() -> None:
    plain = Contract(criteria=(Criterion(id="c1", text="it is there"),))

    assert plain.digest == "6930a4a78f6c"
    digests = {replace(plain, may_change=may_change).digest for may_change in ((), ("a.py",), ("b.py",))}
    assert len(digests) == 3


def test_patterns_are_paths_only() -> None:
    assert clean_patterns(["`a.py`", "a.py", "the", "../x", "/etc/a", "docs/"]) == ("a.py", "etc/a", "docs/**")
    assert split_may_change("ok, thanks") == ("ok, thanks", None)


def test_own_contract_has_what_the_ticket_allows() -> None:
    contract = build_own_contract("Done when\n- it is shown\n- May change: a.py", CHECKED)

    assert contract
    assert contract.may_change == ("a.py",)
