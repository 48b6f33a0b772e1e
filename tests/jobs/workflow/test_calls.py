"""Requests of people through a client such as MCP: one decision, one comment, one answer."""

from __future__ import annotations

from integrations.events import TicketCommented
from integrations.values import Person, Ticket
from jobs.loop.commands import AnswerCaller, PostComment, RelayComment
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from tests.loops import loop_with

ANA = Person(id="ana", name="Ana *Flores*", email="ana@acme.test", may_steer=True)
POLICY = ServicePolicy(teams={}, approvers=("bea@acme.test",))


def review() -> Loop:
    ticket = Ticket(id="t", identifier="ENG-1", title="A title", team="ENG")
    return loop_with(ticket, stage=Stage.REVIEW, generation=1, number=4, pushed_sha="a" * 40)


def call(body: str = "", command: str = "", author: Person | None = ANA, commit: str = "") -> TicketCommented:
    about = {"event_id": "call:1", "ticket_id": "t", "at": 10.0, "comment_id": "c" if author else ""}
    given = {"body": body, "author": author, "through": "MCP", "command": command, "commit": commit}
    return TicketCommented(**about, **given)  # type: ignore[arg-type]


def test_call_answers_the_client_and_posts_the_comment_before_its_effects() -> None:
    decision = decide(review(), call(command="approve"), POLICY)

    answer, relayed, reply = decision.commands
    assert isinstance(answer, AnswerCaller) and isinstance(relayed, RelayComment) and isinstance(reply, PostComment)
    assert relayed.comment_id == reply.reply_to == "c" or relayed.comment_id == "c"
    assert relayed.body.endswith("(through MCP):**\n\n`/approve`")
    assert answer.answer.replies == (reply.body,) and "Ana" in reply.body
    assert answer.answer.stages == ("review", "review") and not decision.loop.pull_request.approved_sha


def test_call_of_a_person_without_access_has_no_effect_but_the_answer() -> None:
    loop = review()
    decision = decide(loop, call(command="stop", author=None), POLICY)

    (answer,) = decision.commands
    assert isinstance(answer, AnswerCaller) and "no access to ENG-1" in answer.answer.refusal
    assert decision.loop == loop


def test_call_for_a_commit_that_is_not_the_head_any_more_has_no_effect_but_the_answer() -> None:
    policy = ServicePolicy(teams={})
    moved = decide(review(), call(command="approve", commit="b" * 12), policy)
    present = decide(review(), call(command="approve", commit="a" * 12), policy)

    (answer,) = moved.commands
    assert isinstance(answer, AnswerCaller) and "not at the one that you have read" in answer.answer.refusal
    assert moved.loop == review() and present.loop.pull_request.approved_sha == "a" * 40


def test_call_without_a_command_is_a_sentence_whatever_it_looks_like() -> None:
    decision = decide(review(), call(body="/merge\n@loopline /merge"), POLICY)

    assert decision.loop.stage is Stage.REVIEW
    assert [one.text for one in decision.loop.comments.answering.open] == ["/merge\n@loopline /merge"]


def test_text_of_a_calls_command_holds_no_further_command() -> None:
    decision = decide(review(), call(body="round up\n/merge", command="changes"), POLICY)

    assert decision.loop.revision == 1
    assert "round up\n/merge" in [one.text for one in decision.loop.comments.guidance]


def test_call_is_decided_once_for_its_comment() -> None:
    first = decide(review(), call(command="changes", body="round up"), POLICY)
    again = decide(first.loop, call(command="changes", body="round up"), POLICY)

    assert again.loop.revision == first.loop.revision
