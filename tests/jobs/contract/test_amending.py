from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.results import Proposal, ProposedCriterion
from jobs.contract.amendments import amend_proposal, is_consent
from jobs.contract.criteria import KINDS, format_criterion, parse_criterion

SUITE = ProposedCriterion(text="the suite passes", command="make test")
README = ProposedCriterion(text="README.md names the flag", evidence="file and line")
SCRIPT = ProposedCriterion(text="`./x` exits 0", command="./x")
PROPOSAL = Proposal(criteria=(SUITE, README, SCRIPT))
NEW = ProposedCriterion(text="it prints 3")

YES = [
    "ok",
    "OK!",
    "/ok",
    "yes, thanks",
    "lgtm 👍",
    "👍",
    "Looks good to me.",
    "ok as it is",
    "go ahead",
    "Yes please",
    "+1",
]


@pytest.mark.parametrize("answer", YES)
def test_answer_yes_accepts_the_proposal(answer: str) -> None:
    assert is_consent(answer)
    assert amend_proposal(answer, PROPOSAL) == PROPOSAL.criteria


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("ok but drop 2", (SUITE, SCRIPT)),
        ("OK, drop #2 and 3.", (SUITE,)),
        ("please remove criteria 1, 2", (SCRIPT,)),
        ("without 1; add: it prints 3", (README, SCRIPT, NEW)),
        ("2: it prints 3", (SUITE, NEW, SCRIPT)),
        ("2. it prints 3", (SUITE, NEW, SCRIPT)),
        ("ok\n2. it prints 3", (SUITE, NEW, SCRIPT)),
        ("change 2 to it prints 3", (SUITE, NEW, SCRIPT)),
        ("- drop 1\n- 3 -> it prints 3", (README, NEW)),
        ("add it prints 3", (SUITE, README, SCRIPT, NEW)),
    ],
)
def test_answer_with_changes_edits_the_proposal(answer: str, wanted: tuple[ProposedCriterion, ...]) -> None:
    assert amend_proposal(answer, PROPOSAL) == wanted


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("- it prints 3", (NEW,)),
        ("1. it prints 3", (NEW,)),
        ("1. The suite passes 2. it prints 3", (SUITE, NEW)),
        ("I'd rather have:\n\n* the suite passes\n* it prints 3", (SUITE, NEW)),
        ("ok:\n- it prints 3", (NEW,)),
        ("1. the suite passes (`make test`)\n2. it prints 3", (SUITE, NEW)),
        ("Done when\n- it prints 3", (NEW,)),
        ("- README.md names the flag (evidence: file and line)", (README,)),
        ("- the suite passes (command: `make all`)", (replace(SUITE, command="make all"),)),
    ],
)
def test_answer_with_a_list_replaces_it_and_repeated_items_keep_their_command(
    answer: str, wanted: tuple[ProposedCriterion, ...]
) -> None:
    assert amend_proposal(answer, PROPOSAL) == wanted


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "what about the docs?",
        "ok but what about the docs?",
        "drop 7",
        "drop 1, 2 and 3",
        "no",
        "0: x",
        "good question",
    ],
)
def test_answer_that_is_unclear_is_left_to_the_planner(answer: str) -> None:
    assert amend_proposal(answer, PROPOSAL) is None


@pytest.mark.parametrize("criterion", [SUITE, README, SCRIPT, NEW, *(replace(NEW, evidence=k) for k in KINDS)])
def test_criterion_round_trips_through_its_text(criterion: ProposedCriterion) -> None:
    assert parse_criterion(format_criterion(criterion)) == criterion


@pytest.mark.parametrize("kind", ["hearsay", "screenshot", ""])
def test_criterion_with_an_unknown_kind_of_evidence_is_plain_text(kind: str) -> None:
    assert parse_criterion(f"it is there (evidence: {kind})").evidence == ""
