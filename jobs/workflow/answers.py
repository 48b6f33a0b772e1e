"""Rules for the role `answer`: it classifies comments while no agent works on the ticket, and answers questions.

Its runs are beside the loop's stage, one at a time. `continue_answering` follows every decision: it starts the next
run, and hands the comments to the stage's own rule when the stage no longer waits for people.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from integrations.events import CommandFailed, RunFinished, RunParked
from integrations.results import Answered
from integrations.values import RunId
from jobs.loop.commands import React, StartRun, StopRun
from jobs.loop.comments import Guidance
from jobs.loop.state import OPEN, Loop, Stage
from jobs.messages import replies
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.hand_over import revise
from jobs.workflow.hearing import choose_effect, hear, is_open_for_answers, keep, react, reply, start_attempt
from jobs.workflow.mentions import awaits_repository_of_question, give_up
from jobs.workflow.run import build_spec

HOUR = 3600.0
MAX_PER_HOUR = 10
"""Runs of the role for one ticket; more comments are kept without one."""
RUN_USD, TURNS = 0.5, 12


def continue_answering(decision: Decision, at: float, policy: ServicePolicy) -> Decision:
    """The decision with the next step for comments that have no answer yet."""
    loop, commands = decision.loop, list(decision.commands)
    answering = loop.comments.answering
    if answering.run_id and not is_open_for_answers(loop):
        commands.append(StopRun(run_id=answering.run_id))
        loop = requeue(loop)
    if loop.comments.answering.run_id or choose_effect(loop) == "hold" or awaits_repository_of_question(loop):
        return replace(decision, loop=loop, commands=tuple(commands))
    while waiting := loop.comments.answering.waiting:
        first, rest = waiting[0], waiting[1:]
        loop = _with_answering(loop, waiting=rest)
        step = _take_up(loop, first, at, policy)
        loop = step.loop
        commands += [command for command in step.commands if not isinstance(command, React)]
        if loop.comments.answering.run_id:
            break
    return replace(decision, loop=loop, commands=tuple(commands))


def _take_up(loop: Loop, guidance: Guidance, at: float, policy: ServicePolicy) -> Decision:
    """Start a run for the comment, or apply the rule of a stage that does not wait for people."""
    if not is_open_for_answers(loop):
        return hear(loop, guidance, at, policy)
    if guidance.requested and loop.stage in OPEN:
        return request_change(loop, guidance, at)
    times = tuple(time for time in loop.comments.answering.times if at - time < HOUR)
    spent = loop.spend.usage.cost_usd >= policy.caps_of(loop).ticket_usd
    start_sha = loop.candidate.head_sha or loop.pull_request.pushed_sha or loop.workspace.base_sha
    if spent or len(times) >= MAX_PER_HOUR or not start_sha:
        return _put_off(loop, guidance)
    run_id = _run_id(loop, guidance, at, len(times))
    spec = build_spec(loop, "answer", run_id, at, policy)
    caps = replace(spec.caps, run_usd=min(spec.caps.run_usd, RUN_USD), turns=min(spec.caps.turns, TURNS))
    loop = _with_answering(loop, run_id=run_id, asked=guidance, times=(*times, at))
    return Decision(loop, (StartRun(spec=replace(spec, caps=caps, asked=guidance)),))


def _run_id(loop: Loop, guidance: Guidance, at: float, number: int) -> RunId:
    """Equal for the same step; never reused, also not after a rebuild."""
    named = f"{guidance.comment_id}\0{guidance.text}\0{at}\0{number}"
    digest = hashlib.sha256(named.encode()).hexdigest()[:8]
    return RunId(f"{loop.identifier}-g{loop.generation}-r{loop.revision}-q{digest}-answer")


def is_answer_run(loop: Loop, run_id: RunId) -> bool:
    """Whether this is the current run of the role."""
    return bool(run_id) and run_id == loop.comments.answering.run_id


def on_answer_finished(loop: Loop, event: RunFinished, result: Answered, policy: ServicePolicy) -> Decision:
    """Act on the comment's meaning; keep the comment when there is none."""
    asked = loop.comments.answering.asked
    loop = _with_answering(loop, run_id=RunId(""), asked=None)
    if asked is None:
        return Decision(loop)
    if event.outcome != "done" or not result.meaning:
        return _put_off(loop, asked)
    if loop.stage is Stage.IDLE and result.meaning != "question":
        return give_up(loop)
    if result.meaning == "change":
        if loop.stage in OPEN:
            return request_change(loop, asked, event.at)
        return start_attempt(loop, asked, event.at, policy)
    if result.meaning == "thanks":
        return Decision(loop, react(asked, "+1"))
    if result.meaning == "question" and result.reply:
        return Decision(loop, (reply(loop, asked, replies.answer_message(loop, result.reply)),))
    noted = replace(loop, comments=loop.comments.note(asked))
    return Decision(noted, (reply(loop, asked, replies.unclear_message(loop, result.reply)),))


def request_change(loop: Loop, request: Guidance, at: float) -> Decision:
    """A revision, as by `/changes`."""
    message = reply(loop, request, replies.changes_message(request.author, loop.revision + 1))
    return revise(loop, request, at, message)


def on_answer_parked(loop: Loop, event: RunParked) -> Decision:
    """The model is unavailable: the person does not wait for it."""
    asked = loop.comments.answering.asked
    if not event.until or asked is None:
        return Decision(loop)
    kept = _put_off(_with_answering(loop, run_id=RunId(""), asked=None), asked)
    return replace(kept, commands=(StopRun(run_id=event.run_id), *kept.commands))


def on_answer_not_started(loop: Loop, event: CommandFailed) -> Decision:
    """The run could not be stored."""
    asked = loop.comments.answering.asked
    loop = _with_answering(loop, run_id=RunId(""), asked=None)
    return keep(loop, asked) if asked else Decision(loop)


def _put_off(loop: Loop, asked: Guidance) -> Decision:
    """Keep the comment for the next round; without work on the ticket, offer to take it."""
    return give_up(loop) if loop.stage is Stage.IDLE else keep(loop, asked)


def requeue(loop: Loop) -> Loop:
    """The loop whose current run of the role ends without an answer: its comment waits again."""
    answering = loop.comments.answering
    return _with_answering(loop, run_id=RunId(""), asked=None, waiting=answering.open)


def _with_answering(loop: Loop, **fields: object) -> Loop:
    answering = replace(loop.comments.answering, **fields)  # type: ignore[arg-type]
    return replace(loop, comments=replace(loop.comments, answering=answering))
