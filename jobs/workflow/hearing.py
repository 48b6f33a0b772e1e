"""Rules for sentences of people that are no commands: one effect for each stage and kind of sentence.

`choose_effect` is the table, `hear` applies it. Every sentence has exactly one effect: it is delivered to the agent,
kept for the next round, answered, or acknowledged.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal, assert_never

from integrations.images_in_texts import MAX_IMAGES
from jobs.loop.commands import Command, CommentOnPullRequest, PostComment, React, Steer
from jobs.loop.comments import Guidance
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages import replies
from jobs.workflow.agreement import on_answer
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.hand_over import hand_over
from jobs.workflow.questions import answer_question
from jobs.workflow.run import awaits_answer

Kind = Literal["plain", "thanks", "for another"]
Effect = Literal[
    "ignore", "react", "record", "deliver", "hold", "classify", "answer", "continue", "start", "keep", "redirect"
]
"""ignore: the ticket was not handed over. react: an emoji. record: for the next brief, without a reply. deliver: to the
agent at work. hold: until the pull request is open. classify: by a run of the role `answer`. answer: it answers the
question about acceptance criteria. continue: it answers the question of a run. start: the next attempt. keep: for the
next round, with a reply. redirect: name how to go on."""

PULL = "pull-request:"
"""Prefix of the comment ids of guidance from the pull request, to which Loopline does not react with an emoji."""
MAX_PENDING = 50
"""Comments that wait for the agent."""
_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
_THANKS = frozenset(
    {
        "thanks",
        "thank",
        "thx",
        "ty",
        "cheers",
        "great",
        "nice",
        "awesome",
        "perfect",
        "cool",
        "danke",
        "merci",
        "gracias",
    }
    | {"super", "excellent", "wonderful", "amazing", "brilliant", "good", "fantastic"}
)
_FILLERS = frozenset(
    {
        "you",
        "so",
        "much",
        "very",
        "a",
        "lot",
        "many",
        "well",
        "done",
        "job",
        "work",
        "all",
        "again",
        "for",
        "this",
        "that",
    }
    | {"the", "it", "is", "was", "really", "looks", "loopline", "team", "everyone", "and", "one", "quick", "fast"}
)
_LONGEST_THANKS = 12


def kind_of(text: str, *, is_for_another: bool = False) -> Kind:
    """The kind of a sentence, as far as it is certain without a model."""
    if is_for_another:
        return "for another"
    words = [word.lower() for word in _WORD.findall(text)]
    is_thanks = "?" not in text and "`" not in text and len(words) <= _LONGEST_THANKS and _THANKS.intersection(words)
    is_emoji = not words and bool(text.strip()) and not re.search(r"[\w?/`]", text)
    return "thanks" if is_emoji or (is_thanks and _THANKS.union(_FILLERS).issuperset(words)) else "plain"


def choose_effect(loop: Loop, kind: Kind = "plain") -> Effect:
    """The effect of a sentence of this kind in the loop's stage."""
    if loop.stage is Stage.IDLE:
        return "ignore"
    if kind == "thanks" and not (awaits_answer(loop) and loop.escalation and loop.escalation.choices):
        return "react"
    if kind == "for another":
        return "ignore" if loop.stage is Stage.DONE else "record"
    match loop.stage:
        case Stage.PUBLISHING:
            return "hold"
        case stage if stage in AT_WORK:
            return "deliver"
        case Stage.ASKING:
            return "answer"
        case Stage.CI | Stage.REVIEW | Stage.MERGING:
            return "classify"
        case Stage.NEEDS_HUMAN:
            return _choose_at_escalation(loop)
        case Stage.STOPPED:
            return "keep"
        case _:
            return "redirect"


def _choose_at_escalation(loop: Loop) -> Effect:
    """An answer to the agent's question continues its run, or starts the next attempt; a sentence about another
    decision can be an answer or not; of other escalations the cause has to go first."""
    escalation = loop.escalation
    if awaits_answer(loop):
        return "continue"
    if escalation and escalation.question:
        return "start"
    return "classify" if escalation and escalation.kind in {"judgement", "spinning", "turns", "ci"} else "keep"


def hear(loop: Loop, guidance: Guidance, at: float, policy: ServicePolicy, kind: Kind = "plain") -> Decision:
    """Apply the effect. Comments for the role `answer` are queued; `jobs.workflow.answers` starts its runs.

    One that was written before the question of a run is guidance and no answer: it could allow unread things."""
    effect = choose_effect(loop, kind)
    match effect:
        case "ignore":
            return Decision(loop)
        case "react":
            return Decision(loop, react(guidance, "+1"))
        case "record":
            return Decision(replace(loop, comments=loop.comments.add(guidance)), react(guidance))
        case "deliver":
            return guide(loop, guidance)
        case "hold" | "classify":
            answering = loop.comments.answering
            answering = replace(answering, waiting=(*answering.waiting, guidance)[-MAX_PENDING:])
            return Decision(replace(loop, comments=replace(loop.comments, answering=answering)), react(guidance))
        case "answer":
            return on_answer(loop, guidance, at, policy)
        case "continue" if loop.escalation and at < loop.escalation.at:
            heard = replace(loop, comments=loop.comments.add(guidance))
            again = reply(loop, guidance, replies.EARLIER_THAN_QUESTION_MESSAGE)
            return Decision(heard, (Steer(run_id=loop.run_id, guidance=guidance), *react(guidance), again))
        case "continue":
            decision = answer_question(loop, guidance)
            return replace(decision, commands=(*decision.commands, *react(guidance)))
        case "start":
            return start_attempt(loop, guidance, at, policy)
        case "keep":
            return keep(loop, guidance)
        case "redirect":
            return Decision(loop, (reply(loop, guidance, replies.done_message(loop)),))
        case _:
            assert_never(effect)


def start_attempt(loop: Loop, guidance: Guidance, at: float, policy: ServicePolicy) -> Decision:
    """The next attempt, with this answer. The agent that gets it did not ask the question."""
    question = loop.escalation.question if loop.escalation else ""
    answer = replace(guidance, text=replies.answered_guidance(question, guidance.text)) if question else guidance
    decision = hand_over(loop, at, policy, (answer,))
    if decision.loop.generation == loop.generation:
        return decision  # too many hand-overs
    thanks = reply(loop, guidance, replies.attempt_started_message(guidance.author))
    return replace(decision, commands=(thanks, *decision.commands))


def keep(loop: Loop, guidance: Guidance) -> Decision:
    """Keep it for the next round or attempt; the first of each author is answered with how to start one."""
    known = any(one.author == guidance.author for one in loop.comments.noted)
    kept = replace(loop, comments=loop.comments.note(guidance))
    commands = react(guidance)
    return Decision(kept, commands if known else (*commands, reply(loop, guidance, replies.noted_message(loop))))


def guide(loop: Loop, guidance: Guidance) -> Decision:
    """Deliver guidance to a running maker, and keep it for all later briefs: each iteration has a fresh context."""
    if loop.stage not in AT_WORK:
        return Decision(loop)
    if len(loop.comments.pending) >= MAX_PENDING:
        return Decision(loop, (PostComment(body=replies.too_many_comments_message(MAX_PENDING)),))
    comments = loop.comments.add(guidance)
    comments = replace(comments, pending=(*comments.pending, guidance))
    steer = (Steer(run_id=loop.run_id, guidance=guidance),) if loop.stage is Stage.MAKING else ()
    known = {image.url for image in loop.images}
    images = (*loop.images, *(image for image in guidance.images if image.url not in known))[-MAX_IMAGES:]
    return Decision(replace(loop, comments=comments, images=images), (*steer, *react(guidance)))


def reply(loop: Loop, guidance: Guidance, body: str) -> PostComment | CommentOnPullRequest:
    """A reply where the comment was written, in its thread."""
    if not guidance.comment_id.startswith(PULL):
        return PostComment(body=body, reply_to=guidance.thread)
    return CommentOnPullRequest(repository=loop.workspace.repository, number=loop.pull_request.number, body=body)


def react(guidance: Guidance, emoji: str = "eyes") -> tuple[Command, ...]:
    """The emoji on a comment of the ticket."""
    on_ticket = guidance.comment_id and not guidance.comment_id.startswith(PULL)
    return (React(comment_id=guidance.comment_id, emoji=emoji),) if on_ticket else ()


def is_open_for_answers(loop: Loop) -> bool:
    """Whether a comment can be classified now: the result of a run still counts. Without work on the ticket the
    comments that wait are questions."""
    return loop.stage is Stage.IDLE or (loop.stage in OPEN | {Stage.NEEDS_HUMAN} and choose_effect(loop) == "classify")
