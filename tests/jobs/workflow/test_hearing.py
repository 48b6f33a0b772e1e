"""Every stage and kind of sentence: each sentence of a person with permission has an effect."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from integrations.events import PullRequestCommented, PullRequestOpened, ReviewSubmitted
from jobs.loop.commands import CommentOnPullRequest, PostComment, React, StartRun, Steer
from jobs.loop.state import AT_WORK, OPEN, Escalation, EscalationClass, Loop, Stage
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.hearing import Effect, Kind, choose_effect, kind_of
from tests.jobs.workflow.values import ANA, GUEST, HEAD, kinds, said

DELIVER = AT_WORK - {Stage.PUBLISHING}
PLAIN: dict[Stage, Effect] = {
    Stage.IDLE: "ignore",
    **dict.fromkeys(DELIVER, "deliver"),
    Stage.PUBLISHING: "hold",
    Stage.ASKING: "answer",
    Stage.CI: "classify",
    Stage.REVIEW: "classify",
    Stage.MERGING: "classify",
    Stage.NEEDS_HUMAN: "keep",
    Stage.STOPPED: "keep",
    Stage.DONE: "redirect",
}
ESCALATED: dict[EscalationClass, Effect] = {
    "judgement": "classify", "spinning": "classify", "turns": "classify", "credentials": "keep",
    "infrastructure": "keep",
    "environment": "keep", "policy": "keep", "budget": "keep", "conflict": "keep", "tamper": "keep",
    "ci": "classify",
}  # fmt: skip
SENTENCES: dict[Kind, str] = {
    "plain": "use decimals",
    "thanks": "Great work, thank you!",
    "for another": "@bob can you check?",
}


def at_stage(review: Loop, stage: Stage) -> Loop:
    """A loop with a candidate in this stage; a human is needed for its environment."""
    escalation = Escalation(kind="environment", at=1.0) if stage is Stage.NEEDS_HUMAN else None
    return replace(review, stage=stage, escalation=escalation)


def expected(stage: Stage, kind: Kind) -> Effect:
    if stage is Stage.IDLE or kind == "plain":
        return PLAIN[stage]
    if kind == "thanks":
        return "react"
    return "ignore" if stage is Stage.DONE else "record"


@pytest.mark.parametrize(("stage", "kind"), list(product(Stage, SENTENCES)))
def test_sentence_has_one_effect_in_each_stage(review: Loop, policy: ServicePolicy, stage: Stage, kind: Kind) -> None:
    loop, effect = at_stage(review, stage), expected(stage, kind)

    assert choose_effect(loop, kind) == effect

    decision = decide(loop, said(SENTENCES[kind], comment_id="k1"), policy)
    comments = decision.loop.comments
    reactions = [command.emoji for command in decision.commands if isinstance(command, React)]
    replies = [command for command in decision.commands if isinstance(command, PostComment)]
    is_kept = any(one.text == SENTENCES[kind] for one in (*comments.guidance, *comments.answering.open))
    seen = {
        "ignore": not decision.commands,
        "react": reactions == ["+1"] and not is_kept and not replies,
        "record": reactions == ["eyes"] and is_kept and not comments.pending and not replies,
        "deliver": reactions == ["eyes"] and is_kept and len(comments.pending) == 1 and not replies,
        "hold": reactions == ["eyes"] and is_kept and not replies,
        "classify": reactions == ["eyes"] and is_kept and "StartRun" in kinds(decision.commands),
        "answer": decision.loop.stage is not stage,
        "keep": reactions == ["eyes"] and is_kept and len(replies) == 1,
        "redirect": len(replies) == 1 and "agent column" in replies[0].body,
    }
    assert seen[effect], decision.commands
    if effect not in {"answer", "ignore"}:
        assert decision.loop.stage is stage


@pytest.mark.parametrize("kind", ESCALATED)
def test_sentence_at_an_escalation_depends_on_its_class(
    review: Loop, policy: ServicePolicy, kind: EscalationClass
) -> None:
    loop = replace(review, stage=Stage.NEEDS_HUMAN, escalation=Escalation(kind=kind, at=1.0))

    assert choose_effect(loop) == ESCALATED[kind]
    assert decide(loop, said("try it with cents"), policy).loop.escalation == replace(
        Escalation(kind=kind, at=1.0), acknowledged=True
    )


@pytest.mark.parametrize("stage", Stage)
def test_sentence_without_permission_has_no_effect(review: Loop, policy: ServicePolicy, stage: Stage) -> None:
    loop = at_stage(review, stage)

    decision = decide(loop, said("delete everything", GUEST), policy)

    assert not decision.commands
    assert decision.loop.comments.guidance == loop.comments.guidance


def test_sentence_reaches_the_running_maker(making: Loop, policy: ServicePolicy) -> None:
    steer = decide(making, said("use decimals"), policy).commands[0]

    assert isinstance(steer, Steer)
    assert steer.guidance.text == "use decimals"


@pytest.mark.parametrize("stage", [Stage.STOPPED, Stage.NEEDS_HUMAN])
def test_sentence_before_a_retry_is_in_the_next_run(review: Loop, policy: ServicePolicy, stage: Stage) -> None:
    told = decide(at_stage(review, stage), said("do not touch the README"), policy).loop

    retried = decide(told, said("/retry with care", at=9.0), policy).loop

    texts = [one.text for one in retried.comments.guidance]
    assert "do not touch the README" in texts
    assert retried.comments.noted == ()


def test_sentence_is_answered_once_per_person_until_a_round_starts(review: Loop, policy: ServicePolicy) -> None:
    loop, bodies = at_stage(review, Stage.STOPPED), list[str]()
    for author in (ANA, ANA, replace(ANA, id="u3", name="Bob")):
        decision = decide(loop, said("one more thing", author), policy)
        loop = decision.loop
        bodies += [command.body for command in decision.commands if isinstance(command, PostComment)]

    assert len(bodies) == 2
    assert all("/retry" in body for body in bodies)
    assert len(loop.comments.noted) == 3


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("thanks", "thanks"),
        ("Thank you so much!", "thanks"),
        ("👍", "thanks"),
        ("🎉🎉", "thanks"),
        ("Nice, well done.", "thanks"),
        ("thanks, but use cents", "plain"),
        ("great, what about zero?", "plain"),
        ("good?", "plain"),
        ("LGTM", "plain"),
        ("ok", "plain"),
        ("thanks `x`", "plain"),
        ("", "plain"),
        ("1", "plain"),
        ("?", "plain"),
    ],
)
def test_thanks_are_recognised_only_when_nothing_else_is_written(text: str, kind: Kind) -> None:
    assert kind_of(text) == kind


def on_pull_request(body: str, comment_id: str = "9") -> PullRequestCommented:
    return PullRequestCommented(
        event_id="e",
        ticket_id="t1",
        at=9.0,
        repository="acme/shop",
        number=7,
        comment_id=comment_id,
        body=body,
        author=ANA,
    )  # fmt: skip


@pytest.mark.parametrize("stage", sorted(OPEN))
def test_sentence_on_the_pull_request_is_classified_in_review(
    review: Loop, policy: ServicePolicy, stage: Stage
) -> None:
    decision = decide(replace(review, stage=stage), on_pull_request("please round"), policy)

    assert kinds(decision.commands) == ["StartRun"]


def test_sentence_on_the_pull_request_is_answered_there(review: Loop, policy: ServicePolicy) -> None:
    stopped = replace(review, stage=Stage.STOPPED)

    (reply,) = decide(stopped, on_pull_request("please round"), policy).commands

    assert isinstance(reply, CommentOnPullRequest)
    assert "/retry" in reply.body


def test_reply_is_in_the_thread_of_the_comment(review: Loop, policy: ServicePolicy) -> None:
    stopped = replace(review, stage=Stage.STOPPED)

    in_thread = decide(stopped, said("one more thing", comment_id="k2", parent_id="root"), policy)
    alone = decide(stopped, said("one more thing", comment_id="k3"), policy)
    of_session = decide(stopped, said("one more thing", comment_id="a1", session_id="s1"), policy)
    command = decide(stopped, said("/merge", comment_id="k4", parent_id="root"), policy)

    threads = [
        [one.reply_to for one in decision.commands if isinstance(one, PostComment)]
        for decision in (in_thread, alone, of_session, command)
    ]
    assert threads == [["root"], ["k3"], [""], ["root"]]


def test_sentence_while_the_pull_request_opens_is_classified_once_it_is_open(
    review: Loop, policy: ServicePolicy
) -> None:
    told = decide(replace(review, stage=Stage.PUBLISHING), said("use decimals"), policy).loop
    opened = PullRequestOpened(event_id="o", ticket_id="t1", generation=1, number=7, url="http://h/7", at=3.0)

    decision = decide(told, opened, policy)

    (start,) = [command for command in decision.commands if isinstance(command, StartRun)]
    assert (start.spec.role, start.spec.asked and start.spec.asked.text, start.spec.start_sha) == (
        "answer",
        "use decimals",
        HEAD,
    )


def test_request_while_the_pull_request_opens_starts_a_revision_once_it_is_open(
    review: Loop, policy: ServicePolicy
) -> None:
    told = decide(replace(review, stage=Stage.PUBLISHING), said("/changes use decimals"), policy).loop
    opened = PullRequestOpened(event_id="o", ticket_id="t1", generation=1, number=7, url="http://h/7", at=3.0)

    loop = decide(told, opened, policy).loop

    assert (loop.stage, loop.revision) == (Stage.PREPARING, 1)
    assert loop.comments.guidance[-1].text == "use decimals"


def test_answer_to_the_agents_question_starts_the_next_attempt_with_both(review: Loop, policy: ServicePolicy) -> None:
    asked = Escalation(kind="judgement", at=1.0, question="Cents or decimals?")
    loop = replace(review, stage=Stage.NEEDS_HUMAN, escalation=asked)

    decision = decide(loop, said("Integers in cents, please."), policy)

    assert (decision.loop.stage, decision.loop.generation) == (Stage.PREPARING, 2)
    text = decision.loop.comments.guidance[-1].text
    assert "Cents or decimals?" in text
    assert "Integers in cents, please." in text
    assert isinstance(decision.commands[0], PostComment)


@pytest.mark.parametrize(("body", "expected"), [("please round", ["StartRun"]), ("", []), ("Thanks!", [])])
def test_sentence_of_a_review_without_a_verdict_counts(
    review: Loop, policy: ServicePolicy, body: str, expected: list[str]
) -> None:
    event = ReviewSubmitted(
        event_id="e", ticket_id="t1", repository="acme/shop", number=7, review_id="1", state="commented", body=body,
        author=ANA,
    )  # fmt: skip

    assert kinds(decide(review, event, policy).commands) == expected
