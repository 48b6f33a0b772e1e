"""`/ticket`: work outside the contract becomes a linked ticket, when a person asks for it."""

from __future__ import annotations

from dataclasses import replace

from integrations.results import Finding
from jobs.loop.commands import CreateTicket, PostComment
from jobs.loop.repository_tags import find_tags
from jobs.loop.state import Loop
from jobs.messages.follow_ups import proposal_body, proposal_title
from jobs.workflow import ServicePolicy, decide
from tests.jobs.workflow.values import said


def file(loop: Loop, body: str, policy: ServicePolicy) -> list[CreateTicket]:
    return [one for one in decide(loop, said(body), policy).commands if isinstance(one, CreateTicket)]


def test_follow_up_is_filed_in_triage_with_its_origin_and_changes_nothing_else(
    review: Loop, policy: ServicePolicy
) -> None:
    decision = decide(review, said("/ticket Lock accounts\nafter ten logins"), policy)
    (ticket,) = (one for one in decision.commands if isinstance(one, CreateTicket))

    assert (ticket.title, ticket.column, ticket.as_part) == ("Lock accounts", "triage", False)
    assert "From ENG-1, [pull request 7]" in ticket.body and "> after ten logins" in ticket.body
    assert (decision.loop.stage, decision.loop.contract) == (review.stage, review.contract)


def test_follow_up_without_a_text_has_the_findings_of_the_checker(review: Loop, policy: ServicePolicy) -> None:
    assert review.candidate.verdict
    found = replace(review.candidate.verdict, findings=(Finding(text="no test of the limit", path="login.py"),))
    loop = replace(review, candidate=replace(review.candidate, verdict=found))
    (ticket,) = file(loop, "/ticket", policy)

    assert ticket.title == "Findings of ENG-1: Limit logins"
    assert "- minor: `login.py`: no test of the limit" in ticket.body


def test_tags_in_the_text_of_an_agent_choose_no_repository(review: Loop, policy: ServicePolicy) -> None:
    assert review.candidate.verdict
    found = replace(review.candidate.verdict, findings=(Finding(text="no test [repo=acme/other#evil]"),))
    loop = replace(review, candidate=replace(review.candidate, verdict=found))
    (ticket,) = file(loop, "/ticket", policy)
    by_person = file(review, "/ticket [repo=acme/other] too", policy)

    assert find_tags(ticket.body) == [] and "no test" in ticket.body
    assert find_tags(by_person[0].body) == [("acme/other", "")]
    for text in ("[repo=acme/other#evil] x", "x\n[repository: acme/other]", "[re`x`po=acme/other] x"):
        assert find_tags(proposal_title(text) + proposal_body(review, text)) == []
    assert proposal_title("[repo=acme/other]") == "Proposal of an agent"


def test_follow_up_without_a_text_and_without_findings_asks_for_a_text(review: Loop, policy: ServicePolicy) -> None:
    decision = decide(review, said("/ticket"), policy)

    assert not file(review, "/ticket", policy)
    assert [one for one in decision.commands if isinstance(one, PostComment) and "/ticket" in one.body]
