"""Limits on replies, hand-overs, revisions, proposals and guidance: exchanges with other parties end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from integrations.events import (
    BranchPushed,
    ChecksReported,
    Event,
    PullRequestCommented,
    ReviewSubmitted,
    TicketCommented,
    TicketEdited,
)
from integrations.results import Proposal, ProposedCriterion
from integrations.values import Person
from jobs.loop.commands import CommentOnPullRequest, PostComment, Steer
from jobs.loop.comments import GUIDANCE_CHARACTERS, MAX_GUIDANCE
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.agreement import MAX_PROPOSALS
from jobs.workflow.hand_over import REVISIONS
from jobs.workflow.hearing import MAX_PENDING
from jobs.workflow.limits import (
    HAND_OVERS,
    HOUR,
    REPLIES_TO_MEMBERS,
    REPLIES_TO_STRANGERS,
)
from jobs.workflow.review import MAX_CHECKS
from tests.jobs.workflow.values import ANA, GUEST, HEAD, finished, moved, said
from tests.loops import changed

BOT = Person(id="b1", name="Rude bot", is_bot=True)
PROPOSAL = Proposal(criteria=(ProposedCriterion(text="it is better"),), confidence="low")
NOON = 1_800_000_000.0


class Exchange:
    """Decides events in order and counts the replies."""

    def __init__(self, loop: Loop, policy: ServicePolicy) -> None:
        self.loop, self.policy, self.bodies, self.numbers = loop, policy, list[str](), count(1)

    def send(self, event: Event, times: int = 1) -> int:
        """Decide the event so often; returns the number of comments that caused."""
        before = len(self.bodies)
        for _ in range(times):
            if isinstance(event, TicketCommented):
                event = replace(event, comment_id=f"k{next(self.numbers)}")
            decision = decide(self.loop, event, self.policy)
            self.loop = decision.loop
            self.bodies += [c.body for c in decision.commands if isinstance(c, PostComment | CommentOnPullRequest)]
        return len(self.bodies) - before

    def say(self, body: str, author: Person = ANA, at: float = NOON, times: int = 1) -> int:
        return self.send(replace(said(body, author), at=at), times)


@pytest.fixture
def exchange(review: Loop, policy: ServicePolicy) -> Exchange:
    return Exchange(review, policy)


@pytest.mark.parametrize("body", ["/merge", "/dance", "/stop now", "thanks"])
def test_limits_allow_a_stranger_one_reply_in_an_hour(exchange: Exchange, body: str) -> None:
    expected = int(body.startswith("/"))

    assert exchange.say(body, GUEST, times=1_000) == expected
    assert exchange.say(body, GUEST, at=NOON + HOUR - 1) == 0
    assert exchange.say(body, GUEST, at=NOON + HOUR) == expected


def test_limits_hold_over_all_strangers_of_a_ticket(exchange: Exchange) -> None:
    crowd = [replace(GUEST, id=f"u{n}") for n in range(50)]

    assert sum(exchange.say("/merge", one) for one in crowd) == REPLIES_TO_STRANGERS
    assert exchange.say("/dance", ANA) == 1


@pytest.mark.parametrize("body", ["/merge", "/dance", "hello", "/budget +3"])
def test_limits_give_a_bot_no_reply(exchange: Exchange, body: str) -> None:
    assert exchange.say(body, BOT, times=100) == 0


def test_limits_give_a_bot_on_the_pull_request_no_reply(exchange: Exchange) -> None:
    event = PullRequestCommented(
        event_id="e", ticket_id="t1", at=NOON, repository="acme/shop", number=7, comment_id="9", body="/merge",
        author=replace(BOT, id="dependabot[bot]"),
    )  # fmt: skip

    assert exchange.send(event, times=100) == 0
    assert exchange.send(replace(event, author=GUEST), times=100) == 1


def test_limits_end_the_replies_to_a_member_with_a_sentence(exchange: Exchange) -> None:
    assert exchange.say("/dance", times=100) == REPLIES_TO_MEMBERS + 1
    assert exchange.bodies[-1].startswith(f"I have replied {REPLIES_TO_MEMBERS} times")
    assert exchange.say("/dance", at=NOON + HOUR) == 1


def test_limits_never_delay_the_effect_of_a_command(exchange: Exchange) -> None:
    exchange.say("/dance", times=100)

    assert exchange.say("/approve") == 0
    assert exchange.loop.pull_request.approved_sha == HEAD
    assert exchange.say("/merge") == 0
    assert exchange.loop.stage is Stage.MERGING
    assert exchange.say("/stop") == 1  # the state changes


@pytest.mark.parametrize("jump", [-1e9, -600.0, -HOUR])
def test_limits_ignore_a_clock_that_jumps_back(exchange: Exchange, jump: float) -> None:
    exchange.say("/dance", times=100)
    exchange.say("/merge", GUEST)

    assert exchange.say("/dance", at=NOON + jump, times=100) == 0
    assert exchange.say("/merge", GUEST, at=NOON + jump, times=100) == 0


REPEATED: dict[str, Callable[[Loop, int], Event]] = {
    "approvals": lambda loop, n: ReviewSubmitted(
        event_id="e", at=NOON, repository="acme/shop", number=7, head_sha=HEAD, review_id="1", state="approved",
        author=ANA,
    ),
    "edits of the criteria": lambda loop, n: TicketEdited(
        event_id="e", at=NOON, ticket=replace(loop.ticket, description=f"Done when\n- {n} holds")
    ),
    "foreign pushes": lambda loop, n: BranchPushed(
        event_id="e", at=NOON, repository="acme/shop", branch=loop.workspace.branch, by="fixer",
        head_sha=f"{n:040x}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REPEATED)
def test_limits_hold_for_events_that_repeat(exchange: Exchange, kind: str) -> None:
    replies = sum(exchange.send(REPEATED[kind](exchange.loop, n)) for n in range(100))

    assert replies == REPLIES_TO_MEMBERS + 1


def test_hand_overs_are_ignored_after_twenty_in_an_hour(making: Loop, policy: ServicePolicy) -> None:
    exchange = Exchange(making, policy)
    for n in range(100):
        exchange.send(replace(moved(making.ticket, "Backlog"), at=NOON + n))
        exchange.send(replace(moved(making.ticket, "Agent"), at=NOON + n + 0.5))

    assert (exchange.loop.stage, exchange.loop.generation) == (Stage.STOPPED, making.generation + HAND_OVERS)
    assert sum("handed over 20 times within an hour" in body for body in exchange.bodies) == REPLIES_TO_MEMBERS
    exchange.send(replace(moved(making.ticket, "Agent"), at=NOON + 2 * HOUR))
    assert exchange.loop.stage is Stage.PREPARING


def test_revisions_are_escalated_at_every_twentieth(review: Loop, policy: ServicePolicy) -> None:
    exchange = Exchange(review, policy)
    for n in range(1, 100):
        exchange.say(f"/changes more {n}")
        if exchange.loop.stage is Stage.NEEDS_HUMAN:
            break
        exchange.loop = replace(exchange.loop, stage=Stage.REVIEW)

    assert n == REVISIONS
    assert "20 revisions have been requested" in exchange.bodies[-1]
    exchange.say("/retry")
    assert exchange.loop.stage is Stage.PREPARING
    exchange.loop = replace(exchange.loop, stage=Stage.REVIEW)
    exchange.say("/changes once more")
    assert (exchange.loop.stage, exchange.loop.revision) == (Stage.PREPARING, REVISIONS + 1)


def test_proposals_end_in_an_escalation_and_a_retry_allows_more(making: Loop, policy: ServicePolicy) -> None:
    vague = replace(making.ticket, description="")
    asked = {"stage": Stage.ASKING, "contract": None, "ticket": vague, "proposal": PROPOSAL}
    exchange = Exchange(changed(making, **asked, iteration=0), policy)
    answers = 0
    while exchange.loop.stage is Stage.ASKING and answers < 100:
        answers += 1
        exchange.say("Who are you?\nAnd why?")
        if exchange.loop.stage is Stage.PLANNING:
            exchange.send(finished(exchange.loop, proposal=PROPOSAL))

    assert (exchange.loop.stage, exchange.loop.planning.proposals) == (Stage.NEEDS_HUMAN, MAX_PROPOSALS)
    assert "Done when" in exchange.loop.reason
    exchange.say("/retry")
    assert exchange.loop.planning.proposals == 0


def test_guidance_is_bounded_and_the_sender_is_informed(making: Loop, policy: ServicePolicy) -> None:
    exchange = Exchange(making, policy)

    assert exchange.say("x" * 1_000_000, times=1_000) == REPLIES_TO_MEMBERS + 1
    assert "not passed on" in exchange.bodies[0]
    assert len(exchange.loop.comments.pending) == MAX_PENDING
    text = exchange.loop.comments.guidance[0].text
    assert len(text) <= GUIDANCE_CHARACTERS and "[cut by Loopline: 1,000,000 characters in all]" in text


def test_guidance_keeps_the_newest(making: Loop, policy: ServicePolicy) -> None:
    exchange = Exchange(making, policy)
    for n in range(1_000):
        exchange.loop = changed(exchange.loop, pending=())
        exchange.say(f"hint {n}")

    assert [one.text for one in exchange.loop.comments.guidance] == [f"hint {n}" for n in range(900, 1_000)]
    assert MAX_GUIDANCE == 100


def test_failing_checks_are_bounded(review: Loop, policy: ServicePolicy) -> None:
    exchange = Exchange(review, policy)
    for n in range(5_000):
        exchange.send(
            ChecksReported(
                event_id="e", repository="acme/shop", head_sha=HEAD, name=f"check {n} {'x' * 1_000}",
                conclusion="failure",
            )
        )  # fmt: skip

    shown = exchange.loop.pull_request.failing_checks
    assert (len(shown), max(map(len, shown))) == (MAX_CHECKS, 100)


def test_two_looplines_that_answer_each_other_fall_silent(making: Loop, policy: ServicePolicy) -> None:
    """Each posts with a person's key, so that the other one takes its comments for those of a member."""
    vague = replace(making.ticket, description="")
    asked = {"stage": Stage.ASKING, "contract": None, "ticket": vague, "proposal": PROPOSAL}
    asking = changed(making, **asked, iteration=0)
    ours, theirs = Exchange(asking, policy), Exchange(asking, policy)
    ours.bodies.append("I am asking before I start. Please answer.")
    sent = 0
    for speaker, listener in [(ours, theirs), (theirs, ours)] * 200:
        said_now, speaker.bodies = speaker.bodies, []
        sent += len(said_now)
        for body in said_now:
            listener.say(body)
            if listener.loop.stage is Stage.PLANNING:
                listener.send(finished(listener.loop, proposal=PROPOSAL))

    assert 1 < sent < 60
    assert not ours.bodies and not theirs.bodies


def test_steering_of_a_run_is_bounded(making: Loop, policy: ServicePolicy) -> None:
    loop, steered = making, 0
    for _ in range(500):
        decision = decide(loop, said("more"), policy)
        loop, steered = decision.loop, steered + sum(isinstance(c, Steer) for c in decision.commands)

    assert steered == MAX_PENDING
