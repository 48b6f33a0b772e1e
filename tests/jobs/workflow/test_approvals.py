"""Approvals: whose count, what the code host still asks for, and accounts of one person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import AccountLinked, ApprovalPublished, ReviewSubmitted
from integrations.values import Person
from jobs.loop.commands import ApprovePullRequest, LinkAccount, PostComment
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.review_policy import ReviewPolicy
from jobs.loop.state import Loop, Stage
from jobs.workflow import Decision, ServicePolicy, decide
from tests.jobs.workflow.values import ANA, HEAD, OTHER, moved, said
from tests.loops import loop_with

BEA = Person(id="u3", name="Bea", email="bea@acme.test", may_steer=True)


def bodies(decision: Decision) -> list[str]:
    return [c.body for c in decision.commands if isinstance(c, PostComment)]


def two_persons(loop: Loop) -> Loop:
    """A loop that Ana handed over, in a repository that asks for two persons."""
    policy = RepositoryPolicy(loop=LoopPolicy(review=ReviewPolicy(two_persons=True)))
    review = replace(loop.review, requester_id=ANA.id, requester_email=ANA.email)
    return replace(loop, policy=policy, review=review)


def reviewed(author: Person) -> ReviewSubmitted:
    given = {"event_id": "r", "ticket_id": "t1", "repository": "acme/shop", "number": 7, "head_sha": HEAD}
    return ReviewSubmitted(**given, review_id="1", state="approved", author=author)


def test_approval_on_the_ticket_names_the_account(review: Loop, policy: ServicePolicy) -> None:
    decision = decide(review, said("/approve", replace(ANA, login="ana")), policy)

    [command] = [c for c in decision.commands if isinstance(c, ApprovePullRequest)]
    assert (command.login, command.sha, command.number) == ("ana", HEAD, 7)
    assert command.body == f"Approved at `{HEAD[:7]}` by Ana on ENG-1."


def test_hand_over_records_who_asked(policy: ServicePolicy, review: Loop) -> None:
    fresh = loop_with(review.ticket)
    loop = decide(fresh, moved(review.ticket, "Agent"), policy).loop
    assert (loop.review.requester_id, loop.review.requester_email) == (ANA.id, ANA.email)

    unknown = replace(review.ticket, creator=BEA)
    loop = decide(loop_with(unknown), moved(unknown, "Agent", None), policy).loop
    assert loop.review.requester_id == BEA.id


def test_requester_alone_does_not_approve_where_two_persons_are_asked_for(review: Loop, policy: ServicePolicy) -> None:
    loop = two_persons(review)

    alone = decide(loop, said("/approve\n/merge"), policy)
    assert (alone.loop.stage, alone.loop.pull_request.approved_sha) == (Stage.REVIEW, "")
    assert "asks for the approval of another person" in bodies(alone)[0]
    assert decide(loop, said("/approve", BEA), policy).loop.pull_request.approved_by == "Bea"


@pytest.mark.parametrize(
    ("author", "sha", "message"),
    [
        (Person(id="ana", name="Ana", email=ANA.email, may_steer=True), "", "another person"),
        (Person(id="bea", name="Bea", email="bea@acme.test", may_steer=True), HEAD, "Approved by Bea"),
        (Person(id="carl", name="carl", may_steer=True), "", "`/link carl`"),
    ],
    ids=["requester", "another person", "unknown"],
)
def test_two_persons_are_compared_across_board_and_code_host(
    review: Loop, policy: ServicePolicy, author: Person, sha: str, message: str
) -> None:
    decision = decide(two_persons(review), reviewed(author), policy)

    assert decision.loop.pull_request.approved_sha == sha
    assert message in bodies(decision)[0]


def published(**fields: object) -> ApprovalPublished:
    given = {
        "event_id": "p",
        "ticket_id": "t1",
        "generation": 1,
        "head_sha": HEAD,
        "is_review": True,
        "url": "http://h/7",
    }
    return ApprovalPublished(**{**given, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("decision", "said_so"),
    [("", ""), ("approved", ""), ("review_required", "an approving review"), ("changes_requested", "a dismissal")],
)
def test_approval_reports_what_the_code_host_still_asks_for(
    review: Loop, policy: ServicePolicy, decision: str, said_so: str
) -> None:
    messages = bodies(decide(review, published(decision=decision), policy))

    assert bool(messages) is bool(said_so)
    assert all(said_so in body and "http://h/7/files" in body for body in messages)
    assert not bodies(decide(review, published(decision=decision, head_sha=OTHER), policy))


@pytest.mark.parametrize("text", ["ana", "@ana", "`ana`"])
def test_link_connects_the_author_with_an_account(review: Loop, policy: ServicePolicy, text: str) -> None:
    [command] = decide(review, said(f"/link {text}"), policy).commands

    assert command == LinkAccount(person_id="u1", name="Ana", email="ana@acme.test", login="ana")


def test_link_works_before_a_hand_over(review: Loop, policy: ServicePolicy) -> None:
    assert decide(loop_with(review.ticket), said("/link ana"), policy).commands


@pytest.mark.parametrize("text", ["", "ana; rm", "a/b"])
def test_link_without_a_login_is_explained(review: Loop, policy: ServicePolicy, text: str) -> None:
    assert "/link" in bodies(decide(review, said(f"/link {text}"), policy))[0]


def test_link_reports_its_outcome(review: Loop, policy: ServicePolicy) -> None:
    fields = {"event_id": "l", "ticket_id": "t1", "name": "Ana", "login": "ana"}
    assert "Ana is `ana`" in bodies(decide(review, AccountLinked(**fields), policy))[0]
    refused = decide(review, AccountLinked(**fields, problem="the account belongs to Bea already."), policy)
    assert "belongs to Bea" in bodies(refused)[0]
