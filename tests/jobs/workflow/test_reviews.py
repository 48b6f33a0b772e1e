"""Reviews of a pull request: collected, acted on together and once, each inline comment answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.events import BranchPublished, PullRequestOpened, ReviewSubmitted, TimePassed
from integrations.ports.code_host import COMMENT_MARK
from integrations.ports.pull_request import HostReview, PullRequestFacts, ReviewThread, ThreadComment
from integrations.results import Plan, ThreadAnswer
from integrations.values import Person
from jobs.loop.commands import AnswerThread, PostComment, StartRun
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.review_policy import ReviewPolicy
from jobs.loop.state import Loop, Stage
from jobs.workflow import Decision, ServicePolicy, decide
from tests.jobs.workflow.values import HEAD, OTHER, finished, kinds, passing, prepared, said
from tests.loops import changed

ANA = Person(id="ana", name="Ana", may_steer=True)
ROBOT = Person(id="lint[bot]", name="lint[bot]", is_bot=True)


def remark(body: str, author: str = "ana", number: int = 1, **fields: Any) -> ThreadComment:
    given = {"id": str(number), "author": author, "body": body, "may_write": author == "ana"}
    return ThreadComment(**{**given, "is_bot": author.endswith("[bot]"), **fields})


def thread(*comments: ThreadComment, **fields: Any) -> ReviewThread:
    return ReviewThread(**{"id": f"T{comments[0].id}", "path": "a.py", "line": 3, "comments": comments, **fields})


def asked(body: str = "", number: str = "1", author: str = "ana", **fields: Any) -> HostReview:
    given = {"id": number, "author": author, "state": "changes_requested", "head_sha": HEAD, "body": body}
    return HostReview(**{**given, "may_write": True, **fields})


def facts(*threads: ReviewThread, reviews: tuple[HostReview, ...] = (), head: str = HEAD) -> PullRequestFacts:
    return PullRequestFacts(
        number=7, url="http://h/7", state="open", merged=False, draft=False, branch="b", head_sha=head, base="main",
        base_sha=OTHER, threads=threads, reviews=reviews,
    )  # fmt: skip


def submitted(state: str = "commented", body: str = "", author: Person = ANA, at: float = 100.0) -> ReviewSubmitted:
    given = {"event_id": f"review:1:{state}", "ticket_id": "t1", "repository": "acme/shop", "number": 7, "at": at}
    return ReviewSubmitted(**given, review_id="1", state=state, body=body, author=author, head_sha=HEAD)


def due(loop: Loop, seen: PullRequestFacts, policy: ServicePolicy, **fields: Any) -> Decision:
    """The deadline passes with these facts."""
    loop = replace(loop, review=replace(loop.review, due_at=160.0))
    return decide(loop, TimePassed(event_id="d", ticket_id="t1", at=160.0, due=160.0, facts=seen, **fields), policy)


def with_reviews(loop: Loop, **fields: Any) -> Loop:
    return replace(loop, policy=RepositoryPolicy(loop=LoopPolicy(review=ReviewPolicy(**fields))))


def making_round(review: Loop, policy: ServicePolicy, *threads: ReviewThread, **fields: Any) -> Loop:
    """The maker of a round with these threads is at work."""
    started = due(changed(review, plan=Plan(summary="look")), facts(*threads, **fields), policy).loop
    return prepared(started, started.policy, policy).loop


def messages(decision: Decision) -> str:
    return "\n".join(c.body for c in decision.commands if isinstance(c, PostComment))


def test_reviews_are_collected_until_a_minute_after_the_last_one(review: Loop, policy: ServicePolicy) -> None:
    first = decide(review, submitted("changes_requested", at=100.0), policy)
    second = decide(first.loop, submitted(at=130.0), policy)

    assert (first.loop.due_at, second.loop.due_at) == (160.0, 190.0)
    assert (first.commands, second.commands, second.loop.stage) == ((), (), Stage.REVIEW)


def test_reviews_of_a_minute_start_one_round_with_everything(review: Loop, policy: ServicePolicy) -> None:
    seen = facts(thread(remark("name it")), reviews=(asked("use a constant"), asked("and a test", "2", "bea")))

    decision = due(review, seen, policy, people={"ana": replace(ANA, name="Ana Flores")})

    loop = decision.loop
    assert (loop.stage, loop.revision, loop.workspace.branch) == (Stage.PREPARING, 1, review.workspace.branch)
    assert loop.comments.guidance[-1].text == "use a constant\nand a test\na.py:3: name it"
    assert loop.comments.guidance[-1].author == "Ana Flores and bea"
    assert loop.contract and "use a constant" in loop.contract.criteria[-1].text
    assert "The accepted work is kept" in messages(decision)
    assert loop.attempts[-1].accepted


def test_review_that_was_acted_on_starts_nothing_again(review: Loop, policy: ServicePolicy) -> None:
    seen = facts(thread(remark("name it")), reviews=(asked("use a constant"),))
    acted = replace(due(review, seen, policy).loop, stage=Stage.REVIEW)

    again = due(acted, seen, policy)

    assert (again.loop.revision, again.commands, again.loop.due_at) == (1, (), 0.0)


@pytest.mark.parametrize(
    "open_thread",
    [
        thread(remark("name it"), resolved=True),
        thread(remark("name it"), outdated=True),
        thread(remark("name it", "eve")),
        thread(remark("name it"), remark(f"Done.\n\n{COMMENT_MARK}x -->", "loopline", 2)),
        thread(remark("why?", "eve"), remark("thanks!", number=2)),
    ],
    ids=["resolved", "outdated", "without write access", "answered", "thanks"],
)
def test_thread_that_asks_for_nothing_is_left_out(
    review: Loop, policy: ServicePolicy, open_thread: ReviewThread
) -> None:
    assert due(review, facts(open_thread), policy).loop.stage is Stage.REVIEW


def test_reply_to_an_answer_opens_the_thread_again(review: Loop, policy: ServicePolicy) -> None:
    answer = remark(f"Not changed.\n\n{COMMENT_MARK}x -->", "loopline", 2)
    loop = due(review, facts(thread(remark("name it"), answer, remark("please do", number=3))), policy).loop

    [one] = loop.review.threads
    assert one.text == "ana: name it\nLoopline: Not changed.\nana: please do"
    assert (one.comment_id, one.place) == ("1", "a.py:3")


@pytest.mark.parametrize(("bots", "alone", "listed"), [("none", False, 1), ("advise", False, 2), ("instruct", True, 2)])
def test_comments_of_bots_count_as_the_policy_says(
    review: Loop, policy: ServicePolicy, bots: str, alone: bool, listed: int
) -> None:
    loop = with_reviews(review, bots=bots)
    by_bot = thread(remark("too long", "lint[bot]", 9))

    assert (due(loop, facts(by_bot), policy).loop.stage is Stage.PREPARING) is alone
    both = due(loop, facts(by_bot, thread(remark("name it"))), policy).loop
    assert len(both.review.threads) == listed
    assert [one.is_advice for one in both.review.threads if one.login == "lint[bot]"] == [bots == "advise"] * (
        listed - 1
    )


def test_review_by_a_bot_waits_for_nothing_unless_it_can_instruct(review: Loop, policy: ServicePolicy) -> None:
    event = submitted("changes_requested", "No", ROBOT)
    assert decide(review, event, policy).loop == review
    assert decide(with_reviews(review, bots="instruct"), event, policy).loop.due_at == 160.0


def test_rounds_end_in_an_escalation_that_names_what_is_open(review: Loop, policy: ServicePolicy) -> None:
    loop = with_reviews(review, rounds=2)
    loop = replace(loop, review=replace(loop.review, rounds=2))

    decision = due(loop, facts(thread(remark("still wrong")), reviews=(asked("no"),)), policy)

    assert decision.loop.stage is Stage.NEEDS_HUMAN
    assert "2 review rounds" in decision.loop.reason and "`a.py:3`" in decision.loop.reason
    assert [one.text for one in decision.loop.comments.noted] == ["no\na.py:3: still wrong"]
    assert decide(decision.loop, said("/retry"), policy).loop.review.rounds == 0


def test_review_during_work_reaches_the_agent_with_numbers(making: Loop, policy: ServicePolicy) -> None:
    working = changed(making, number=7, pushed_sha=HEAD)

    decision = due(working, facts(thread(remark("name it")), reviews=(asked("use a constant"),)), policy)

    assert kinds(decision.commands) == ["Steer"]
    text = decision.loop.comments.pending[-1].text
    assert text.startswith("use a constant\nT1 a.py:3: name it\n") and "`T1 done:" in text
    assert len(decision.loop.review.threads) == 1


@pytest.mark.parametrize("stage", [Stage.PUBLISHING, Stage.REVIEW])
def test_review_waits_while_the_head_moves(review: Loop, policy: ServicePolicy, stage: Stage) -> None:
    loop = replace(review, stage=stage)
    seen = facts(thread(remark("name it")), head=OTHER if stage is Stage.REVIEW else HEAD)

    decision = due(loop, seen, policy)

    assert (decision.loop.stage, decision.loop.due_at, decision.commands) == (stage, 220.0, ())


@pytest.mark.parametrize("stage", [Stage.STOPPED, Stage.NEEDS_HUMAN])
def test_deadline_ends_where_nothing_can_be_started_and_returns_with_the_next_attempt(
    review: Loop, policy: ServicePolicy, stage: Stage
) -> None:
    ended = due(replace(review, stage=stage, generation=1), facts(thread(remark("name it"))), policy).loop
    assert (ended.stage, ended.due_at) == (stage, 0.0)

    again = decide(ended, said("/retry", at=300.0), policy).loop
    assert (again.stage, again.due_at) == (Stage.PREPARING, 300.0)


def test_request_for_changes_cancels_a_queued_merge_and_a_remark_does_not(review: Loop, policy: ServicePolicy) -> None:
    merging = changed(review, stage=Stage.MERGING, approved_sha=HEAD, approved_by="Ana")

    assert due(merging, facts(thread(remark("a nit"))), policy).loop.stage is Stage.MERGING
    loop = due(merging, facts(reviews=(asked("stop"),)), policy).loop
    assert (loop.stage, loop.pull_request.approved_sha) == (Stage.PREPARING, "")


def test_request_while_a_person_is_needed_is_kept(review: Loop, policy: ServicePolicy) -> None:
    loop = decide(replace(review, stage=Stage.STOPPED), submitted("changes_requested", "use a constant"), policy).loop

    assert [one.text for one in loop.comments.noted] == ["use a constant"]


def test_suggestion_is_taken_from_its_block(review: Loop, policy: ServicePolicy) -> None:
    body = "```suggestion\nname = 1\n```\n"
    seen = facts(
        thread(remark(body), start_line=2), thread(remark(f"Better:\n{body}", number=2)), thread(remark("no", number=3))
    )

    first, second, third = due(review, seen, policy).loop.review.threads

    assert (first.suggestion, first.first_line, first.line, first.has_more) == ("name = 1\n", 2, 3, False)
    assert (second.suggestion, second.has_more, third.suggestion) == ("name = 1\n", True, None)


def answer(kind: str, note: str = "", number: int = 1) -> ThreadAnswer:
    return ThreadAnswer(thread=f"T{number}", kind=kind, note=note)  # type: ignore[arg-type]


def test_round_without_a_commit_returns_to_the_review_with_its_answers(review: Loop, policy: ServicePolicy) -> None:
    approved = changed(review, approved_sha=HEAD, approved_by="Ana")
    loop = making_round(approved, policy, thread(remark("why not a set?")))
    assert (loop.stage, loop.review.round) == (Stage.MAKING, "remarks")

    made = finished(loop, outcome="no_change", head_sha=HEAD, answers=(answer("disagree", "the order counts"),))
    decision = decide(loop, made, policy)

    assert (decision.loop.stage, decision.loop.candidate.verdict) == (Stage.REVIEW, review.candidate.verdict)
    assert (decision.loop.pull_request.approved_by, decision.loop.review.threads) == ("Ana", ())
    assert decision.loop.contract and not [c for c in decision.loop.contract.criteria if c.id == "r1"]
    [reply] = [c for c in decision.commands if isinstance(c, AnswerThread)]
    assert (reply.thread.note, reply.sha, reply.before) == ("the order counts", HEAD, HEAD)
    assert "1 review comment answered" in messages(decision)


@pytest.mark.parametrize(
    ("answers", "request_too"),
    [((), False), ((answer("done"),), False), ((answer("disagree", "no"),), True)],
    ids=["no answer", "claims to be done", "a request needs a commit"],
)
def test_round_without_a_commit_is_checked_otherwise(
    review: Loop, policy: ServicePolicy, answers: tuple[ThreadAnswer, ...], request_too: bool
) -> None:
    reviews = (asked("rename it"),) if request_too else ()
    loop = making_round(review, policy, thread(remark("name it")), reviews=reviews)

    decision = decide(loop, finished(loop, outcome="no_change", head_sha=HEAD, answers=answers), policy)

    assert decision.loop.stage is Stage.GATING


def test_answers_are_posted_once_the_head_is_pushed(review: Loop, policy: ServicePolicy) -> None:
    loop = making_round(review, policy, thread(remark("name it")))
    loop = decide(loop, finished(loop, head_sha=OTHER, answers=(answer("done", "renamed"),)), policy).loop
    loop = changed(loop, stage=Stage.PUBLISHING, verdict=replace(passing(), head_sha=OTHER))
    pushed = BranchPublished(event_id="b", ticket_id="t1", generation=1, head_sha=OTHER)
    loop = decide(loop, pushed, policy).loop
    opened = PullRequestOpened(event_id="o", ticket_id="t1", generation=1, number=7, url="http://h/7")

    decision = decide(loop, opened, policy)

    [reply] = [c for c in decision.commands if isinstance(c, AnswerThread)]
    assert (reply.thread.answer, reply.sha, reply.before) == ("done", OTHER, HEAD)
    assert decision.loop.review.threads == ()


def test_run_of_a_round_gets_the_threads(review: Loop, policy: ServicePolicy) -> None:
    planned = changed(review, plan=Plan(summary="look"))
    started = due(planned, facts(thread(remark("name it"))), policy).loop
    [start] = [c for c in prepared(started, started.policy, policy).commands if isinstance(c, StartRun)]

    assert [one.place for one in start.spec.threads] == ["a.py:3"]
    assert start.spec.only_threads and start.spec.attempts[-1].accepted
