"""Rules for what people say: commands, answers and guidance, on the ticket and on the pull request."""

from __future__ import annotations

import re
from dataclasses import replace

from integrations.events import PullRequestCommented, SteeringTaken, TicketCommented
from integrations.values import Person
from jobs.loop.commands import (
    Command,
    CommentOnPullRequest,
    MergePullRequest,
    MoveTicket,
    PostComment,
    React,
    SetNeedsHuman,
    Steer,
)
from jobs.loop.state import AT_WORK, OPEN, Guidance, Loop, Stage
from jobs.messages.replies import (
    accepted_message,
    approved_message,
    approved_on_ticket_message,
    budget_message,
    changes_message,
    command_reason,
    merge_called_off_reason,
    not_allowed_message,
    not_approved_message,
    not_now_message,
    outdated_command_message,
    publishing_message,
    taken_over_reason,
    unknown_command_message,
)
from jobs.messages.verdict import pull_request_title
from jobs.workflow.agreeing import on_answer
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalating import acknowledge
from jobs.workflow.goal import finish, objection_to, publish
from jobs.workflow.hand_over import hand_over, revise, stop

_COMMAND = re.compile(r"^\s*/(?P<name>[a-z]{2,20})\b[:\s]*(?P<rest>.*)$", re.DOTALL | re.IGNORECASE)
PULL = "pull-request:"
"""How the id of words begins that were not said on the ticket, where alone we put an emoji."""
_KNOWN = {"stop", "cancel", "changes", "approve", "merge", "retry", "budget", "accept", "takeover", "close"}
_NEED_APPROVER = {"approve", "merge", "accept", "budget"}


def on_ticket_commented(loop: Loop, event: TicketCommented, policy: ServicePolicy) -> Decision:
    """A person wrote on the ticket; our own comments never reach this rule."""
    if loop.stage is Stage.IDLE or event.author is None:
        return Decision(loop)
    if event.at >= loop.comments.last_at:
        loop = replace(loop, comments=replace(loop.comments, last_id=event.comment_id, last_at=event.at))
    words = Guidance(author=event.author.name, text=event.body, comment_id=event.comment_id)
    command = _COMMAND.match(event.body)
    if command:
        return _command(loop, command["name"].lower(), command["rest"].strip(), words, event.author, event.at, policy)
    if not event.author.may_steer:
        return Decision(loop)
    loop = acknowledge(loop)
    if loop.stage is Stage.ASKING:
        return on_answer(loop, words, event.at, policy)
    return guide(loop, words)


def on_pull_request_commented(loop: Loop, event: PullRequestCommented, policy: ServicePolicy) -> Decision:
    """A person wrote on the pull request: commands count here too, anything else is guidance while the agent works."""
    if (
        event.number != loop.pull_request.number
        or not loop.pull_request.number
        or event.author is None
        or event.author.is_us
    ):
        return Decision(loop)
    place = f"{event.path}:{event.line}: " if event.path else ""
    words = Guidance(author=event.author.name, text=place + event.body, comment_id=f"{PULL}{event.comment_id}")
    command = _COMMAND.match(event.body)
    if command and command["name"].lower() in _KNOWN:
        at = event.at + 1.0  # the code host tells whole seconds
        return _command(loop, command["name"].lower(), command["rest"].strip(), words, event.author, at, policy)
    return guide(loop, words) if event.author.may_steer else Decision(loop)


def on_steering_taken(loop: Loop, event: SteeringTaken) -> Decision:
    """The agent has the words now; the ticket says so."""
    pending = tuple(one for one in loop.comments.pending if one.comment_id not in event.comment_ids)
    taken_up = loop.comments.taken_up + len([comment_id for comment_id in event.comment_ids if comment_id])
    return Decision(replace(loop, comments=replace(loop.comments, pending=pending, taken_up=taken_up)))


def guide(loop: Loop, words: Guidance) -> Decision:
    """Words reach a maker at once, and every later brief: the next iteration has forgotten this one's talk."""
    if loop.stage not in AT_WORK:
        return Decision(loop)
    if loop.stage is Stage.PUBLISHING:
        return Decision(loop, (PostComment(body=publishing_message()),))
    on_ticket = words.comment_id and not words.comment_id.startswith(PULL)
    seen: tuple[Command, ...] = (React(comment_id=words.comment_id, emoji="eyes"),) if on_ticket else ()
    guidance, pending = (*loop.comments.guidance, words), (*loop.comments.pending, words)
    loop = replace(loop, comments=replace(loop.comments, guidance=guidance, pending=pending))
    steer = (Steer(run_id=loop.run_id, guidance=words),) if loop.stage is Stage.MAKING else ()
    return Decision(loop, (*steer, *seen))


def _command(
    loop: Loop, name: str, rest: str, words: Guidance, author: Person, at: float, policy: ServicePolicy
) -> Decision:
    if name not in _KNOWN:
        return Decision(loop, (PostComment(body=unknown_command_message(name)),))
    allowed = policy.may_approve(author) if name in _NEED_APPROVER else author.may_steer
    if not allowed:
        return Decision(loop, (PostComment(body=not_allowed_message(name, author.name)),))
    said = replace(words, text=rest)
    loop = acknowledge(loop)
    return (
        _about_the_work(loop, name, said, author, at, policy)
        or _about_the_pull_request(loop, name, said, author, at)
        or _about_a_call(loop, name, said, author, at, policy)
        or Decision(loop, (PostComment(body=not_now_message(name, loop)),))
    )


def _about_the_work(
    loop: Loop, name: str, said: Guidance, author: Person, at: float, policy: ServicePolicy
) -> Decision | None:
    """Commands that start, stop or steer the work; None where this is not the time for it."""
    if name in {"stop", "cancel"} and loop.stage in AT_WORK | {Stage.ASKING}:
        return stop(loop, command_reason(author.name, name), at, policy)
    if name == "retry" and _may_start_again(loop, at):
        return hand_over(loop, at, policy, (said,) if said.text else ())
    if name == "changes" and said.text and loop.stage in AT_WORK:
        return guide(loop, said)
    return None


def _about_the_pull_request(loop: Loop, name: str, said: Guidance, author: Person, at: float) -> Decision | None:
    """Commands on work that people can see."""
    if loop.stage not in OPEN:
        return None
    if name == "stop" and loop.stage is Stage.MERGING:
        loop = replace(loop, stage=Stage.REVIEW, reason=merge_called_off_reason(author.name))
        return Decision(loop, (PostComment(body=loop.reason),))
    if name == "changes" and said.text:
        return revise(loop, said, PostComment(body=changes_message(author.name, loop.revision + 1)))
    if name in {"approve", "merge"} and at < loop.pull_request.shown_at:
        return Decision(loop, (PostComment(body=outdated_command_message(name, loop)),))
    if name == "approve" and loop.stage is Stage.REVIEW:
        return _approve(loop, author)
    return merge(loop) if name == "merge" else None


def _about_a_call(
    loop: Loop, name: str, said: Guidance, author: Person, at: float, policy: ServicePolicy
) -> Decision | None:
    """The choices that a call for a person offers."""
    if name == "budget" and (more := _amount(said.text)):
        return _extend(loop, more, author, at, policy)
    if name == "takeover" and loop.stage in AT_WORK | OPEN | {Stage.ASKING, Stage.NEEDS_HUMAN}:
        return _leave(loop, author, at, policy)
    if loop.stage is not Stage.NEEDS_HUMAN:
        return None
    if name == "close":
        return stop(loop, command_reason(author.name, name), at, policy, clean_up=True)
    if name == "accept" and loop.candidate.tampering and loop.escalation and loop.escalation.kind == "tamper":
        candidate = replace(loop.candidate, accepted_sha=loop.candidate.head_sha)
        accepted = replace(loop, reason="", candidate=candidate)
        if not objection_to(accepted):
            say = PostComment(body=accepted_message(author.name, loop.candidate.head_sha))
            return finish(accepted, at, say, SetNeedsHuman(needed=False), MoveTicket(column="working"))
    return None


def _leave(loop: Loop, author: Person, at: float, policy: ServicePolicy) -> Decision:
    """To a person, with the last candidate where they can fetch it."""
    unpushed = loop.candidate.head_sha not in {"", loop.workspace.base_sha, loop.pull_request.pushed_sha}
    decision = stop(loop, taken_over_reason(author.name, loop.candidate.head_sha if unpushed else ""), at, policy)
    return Decision(decision.loop, (*decision.commands, publish(loop, as_is=True))) if unpushed else decision


def _amount(text: str) -> float:
    """US dollars in '+3', '3' or '$2.50'; 0 where there is none that makes sense."""
    found = re.fullmatch(r"\+?\s*\$?\s*(\d{1,4}(?:\.\d{1,2})?)", text.strip())
    return float(found[1]) if found else 0.0


def _extend(loop: Loop, more: float, author: Person, at: float, policy: ServicePolicy) -> Decision:
    """More money for the ticket; a loop that had stopped for want of it goes on."""
    loop = replace(loop, spend=replace(loop.spend, extra_usd=round(loop.spend.extra_usd + more, 2)))
    say = PostComment(body=budget_message(author.name, more, policy.caps_of(loop).ticket_usd))
    if loop.stage is Stage.NEEDS_HUMAN and loop.escalation and loop.escalation.kind == "budget":
        again = hand_over(loop, at, policy)
        return Decision(again.loop, (say, *again.commands))
    return Decision(loop, (say,))


def _may_start_again(loop: Loop, at: float) -> bool:
    """A word that is older than the stop comes late and was overruled by it."""
    waits = loop.stage in {Stage.NEEDS_HUMAN, Stage.ASKING}
    return waits or (loop.stage is Stage.STOPPED and at >= loop.finished_at)


def _approve(loop: Loop, author: Person) -> Decision:
    approved = replace(loop.pull_request, approved_sha=loop.pull_request.pushed_sha, approved_by=author.name)
    loop = replace(loop, pull_request=approved)
    note = CommentOnPullRequest(
        repository=loop.workspace.repository,
        number=loop.pull_request.number,
        body=approved_on_ticket_message(loop, author.name),
    )
    return Decision(loop, (note, PostComment(body=approved_message(author.name, loop.pull_request.pushed_sha))))


def merge(loop: Loop) -> Decision:
    """Merge the approved commit, or say that there is none."""
    if not loop.pull_request.approved_sha or loop.pull_request.approved_sha != loop.pull_request.pushed_sha:
        return Decision(loop, (PostComment(body=not_approved_message(loop)),))
    loop = replace(loop, stage=Stage.MERGING, reason="")
    merge = MergePullRequest(
        generation=loop.generation,
        repository=loop.workspace.repository,
        number=loop.pull_request.number,
        sha=loop.pull_request.approved_sha,
        title=f"{pull_request_title(loop)} (#{loop.pull_request.number})",
    )
    return Decision(loop, (merge,))
