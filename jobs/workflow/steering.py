"""Rules for comments of people: commands, answers and guidance, on the ticket and on the pull request."""

from __future__ import annotations

import re
from dataclasses import replace

from integrations.events import PullRequestCommented, SteeringTaken, TicketCommented
from integrations.texts import cut
from integrations.values import Person
from jobs.loop.commands import (
    Command,
    CommentOnPullRequest,
    Freeze,
    MergePullRequest,
    MoveTicket,
    PostComment,
    React,
    SetNeedsHuman,
    Steer,
    Thaw,
)
from jobs.loop.state import AT_WORK, GUIDANCE_CHARACTERS, OPEN, Guidance, Loop, Stage
from jobs.messages import replies
from jobs.messages.verdict import pull_request_title
from jobs.workflow.agreement import on_answer
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import acknowledge
from jobs.workflow.hand_over import hand_over, revise, stop
from jobs.workflow.preflight import awaits_new_base, retry
from jobs.workflow.run_results import finish, objection_to, publish

_COMMAND = re.compile(r"^\s*/(?P<name>[a-z]{2,20})\b[:\s]*(?P<rest>.*)$", re.DOTALL | re.IGNORECASE)
PULL = "pull-request:"
"""Prefix of the comment ids of guidance from the pull request, to which Loopline does not react with an emoji."""
_OF_THE_SERVICE = {"freeze", "thaw"}
_KNOWN = _OF_THE_SERVICE | {
    "stop",
    "cancel",
    "changes",
    "approve",
    "merge",
    "retry",
    "budget",
    "accept",
    "takeover",
    "close",
}
MAX_PENDING = 50
"""Comments that wait for the agent."""
_NEED_APPROVER = _OF_THE_SERVICE | {"approve", "merge", "accept", "budget"}


def on_ticket_commented(loop: Loop, event: TicketCommented, policy: ServicePolicy) -> Decision:
    """A person commented on the ticket; `jobs.effects.gather` drops Loopline's own comments."""
    command = _COMMAND.match(event.body)
    concerns_service = command is not None and command["name"].lower() in _OF_THE_SERVICE
    if event.author is None or (loop.stage is Stage.IDLE and not concerns_service):
        return Decision(loop)
    if event.at >= loop.comments.last_at:
        loop = replace(loop, comments=replace(loop.comments, last_id=event.comment_id, last_at=event.at))
    text = cut(event.body, GUIDANCE_CHARACTERS)
    guidance = Guidance(author=event.author.name, text=text, comment_id=event.comment_id)
    if command:
        return _apply_command(loop, command, guidance, event.author, event.at, policy)
    if not event.author.may_steer:
        return Decision(loop)
    loop = acknowledge(loop)
    if loop.stage is Stage.ASKING:
        return on_answer(loop, guidance, event.at, policy)
    return guide(loop, guidance)


def on_pull_request_commented(loop: Loop, event: PullRequestCommented, policy: ServicePolicy) -> Decision:
    """A person commented on the pull request: a command, or guidance while the agent works."""
    if event.number != loop.pull_request.number or not event.number or event.author is None or event.author.is_us:
        return Decision(loop)
    place = f"{event.path}:{event.line}: " if event.path else ""
    text = cut(place + event.body, GUIDANCE_CHARACTERS)
    guidance = Guidance(author=event.author.name, text=text, comment_id=f"{PULL}{event.comment_id}")
    command = _COMMAND.match(event.body)
    if command and command["name"].lower() in _KNOWN:
        at = event.at + 1.0  # the code host's times are whole seconds
        return _apply_command(loop, command, guidance, event.author, at, policy)
    return guide(loop, guidance) if event.author.may_steer else Decision(loop)


def on_steering_taken(loop: Loop, event: SteeringTaken) -> Decision:
    """The comments were delivered to the agent; the ticket shows their number."""
    pending = tuple(one for one in loop.comments.pending if one.comment_id not in event.comment_ids)
    taken_up = loop.comments.taken_up + len([comment_id for comment_id in event.comment_ids if comment_id])
    return Decision(replace(loop, comments=replace(loop.comments, pending=pending, taken_up=taken_up)))


def guide(loop: Loop, guidance: Guidance) -> Decision:
    """Deliver guidance to a running maker, and keep it for all later briefs: each iteration has a fresh context."""
    if loop.stage not in AT_WORK:
        return Decision(loop)
    if loop.stage is Stage.PUBLISHING:
        return Decision(loop, (PostComment(body=replies.PUBLISHING_MESSAGE),))
    if len(loop.comments.pending) >= MAX_PENDING:
        return Decision(loop, (PostComment(body=replies.too_many_comments_message(MAX_PENDING)),))
    on_ticket = guidance.comment_id and not guidance.comment_id.startswith(PULL)
    seen = (React(comment_id=guidance.comment_id, emoji="eyes"),) if on_ticket else ()
    comments = loop.comments.add(guidance)
    comments = replace(comments, pending=(*comments.pending, guidance))
    loop = replace(loop, comments=comments)
    steer = (Steer(run_id=loop.run_id, guidance=guidance),) if loop.stage is Stage.MAKING else ()
    return Decision(loop, (*steer, *seen))


def _apply_command(
    loop: Loop, command: re.Match[str], guidance: Guidance, author: Person, at: float, policy: ServicePolicy
) -> Decision:
    name = command["name"].lower()
    if name not in _KNOWN:
        return Decision(loop, (PostComment(body=replies.unknown_command_message(name)),))
    allowed = policy.may_approve(author) if name in _NEED_APPROVER else author.may_steer
    if not allowed:
        return Decision(loop, (PostComment(body=replies.not_allowed_message(name, author.name)),))
    guidance = replace(guidance, text=cut(command["rest"].strip(), GUIDANCE_CHARACTERS))
    if name in _OF_THE_SERVICE:
        return _switch(loop, name, guidance.text, author, at)
    loop = acknowledge(loop)
    return (
        _control_work(loop, name, guidance, author, at, policy)
        or _control_review(loop, name, guidance, author, at)
        or Decision(loop, (PostComment(body=replies.not_now_message(name, loop)),))
    )


def _control_work(
    loop: Loop, name: str, guidance: Guidance, author: Person, at: float, policy: ServicePolicy
) -> Decision | None:
    """Commands that start, steer or stop the work, or answer an escalation; None if `name` does not apply now."""
    if name in {"stop", "cancel"} and loop.stage in AT_WORK | {Stage.ASKING}:
        return stop(loop, replies.command_reason(author.name, name), at, policy)
    stopped_before = loop.stage is Stage.STOPPED and at >= loop.finished_at  # else the stop overrules a late `/retry`
    if name == "retry" and (stopped_before or loop.stage in {Stage.NEEDS_HUMAN, Stage.ASKING, Stage.WAITING}):
        if awaits_new_base(loop) and not guidance.text:
            return retry(loop, at)
        return hand_over(loop, at, policy, (guidance,) if guidance.text else (), anyway=True)
    if name == "changes" and guidance.text and loop.stage in AT_WORK:
        return guide(loop, guidance)
    if name == "budget" and (more := _parse_dollars(guidance.text)):
        return _add_budget(loop, more, author, at, policy)
    if name == "takeover" and loop.stage in AT_WORK | OPEN | {Stage.ASKING, Stage.NEEDS_HUMAN}:
        return _take_over(loop, author, at, policy)
    if name == "close" and loop.stage is Stage.NEEDS_HUMAN:
        return stop(loop, replies.command_reason(author.name, name), at, policy, clean_up=True)
    return _accept(loop, author, at) if name == "accept" else None


def _control_review(loop: Loop, name: str, request: Guidance, author: Person, at: float) -> Decision | None:
    if loop.stage not in OPEN:
        return None
    if name == "stop" and loop.stage is Stage.MERGING:
        loop = replace(loop, stage=Stage.REVIEW, reason=replies.merge_cancelled_reason(author.name))
        return Decision(loop, (PostComment(body=loop.reason),))
    if name == "changes" and request.text:
        return revise(loop, request, at, PostComment(body=replies.changes_message(author.name, loop.revision + 1)))
    if name in {"approve", "merge"} and at < loop.pull_request.shown_at:
        return Decision(loop, (PostComment(body=replies.outdated_command_message(name, loop)),))
    if name == "approve" and loop.stage is Stage.REVIEW:
        note = CommentOnPullRequest(
            repository=loop.workspace.repository,
            number=loop.pull_request.number,
            body=replies.approved_on_ticket_message(loop, author.name),
        )
        return approve(loop, author.name, note)
    return merge(loop) if name == "merge" else None


def _switch(loop: Loop, name: str, reason: str, author: Person, at: float) -> Decision:
    """Freeze or thaw the service at once. The comment waits in the outbox, so it is posted after the thaw."""
    if name == "freeze":
        comment = PostComment(body=replies.frozen_message(author.name, at))
        return Decision(loop, (Freeze(by=author.name, at=at, reason=reason), comment))
    return Decision(loop, (Thaw(by=author.name, at=at), PostComment(body=replies.thawed_message(author.name))))


def _accept(loop: Loop, author: Person, at: float) -> Decision | None:
    """Accept the candidate's changes to tests and checks; None if no escalation asks for that."""
    candidate = replace(loop.candidate, accepted_sha=loop.candidate.head_sha, accepted_by=author.name)
    accepted = replace(loop, reason="", candidate=candidate)
    asked = loop.stage is Stage.NEEDS_HUMAN and loop.escalation and loop.escalation.kind == "tamper"
    if not asked or not candidate.tampering or objection_to(accepted):
        return None
    comment = PostComment(body=replies.accepted_message(author.name, candidate.head_sha))
    return finish(accepted, at, comment, SetNeedsHuman(needed=False), MoveTicket(column="working"))


def _take_over(loop: Loop, author: Person, at: float, policy: ServicePolicy) -> Decision:
    """Stop for a person who continues the work, and push the last candidate."""
    unpushed = loop.candidate.head_sha not in {"", loop.workspace.base_sha, loop.pull_request.pushed_sha}
    reason = replies.taken_over_reason(author.name, loop.candidate.head_sha if unpushed else "")
    loop = replace(loop, workspace=replace(loop.workspace, taken_over_by=author.name))
    decision = stop(loop, reason, at, policy)
    listed = loop.stage is Stage.NEEDS_HUMAN and loop.escalation and loop.escalation.kind == "tamper"
    command = publish(loop, as_is=True, accepted=bool(listed) and policy.may_approve(author))
    return Decision(decision.loop, (*decision.commands, command)) if unpushed else decision


def _parse_dollars(text: str) -> float:
    """US dollars in '+3', '3' or '$2.50'; 0 for any other text."""
    found = re.fullmatch(r"\+?\s*\$?\s*(\d{1,4}(?:\.\d{1,2})?)", text.strip())
    return float(found[1]) if found else 0.0


def _add_budget(loop: Loop, more: float, author: Person, at: float, policy: ServicePolicy) -> Decision:
    """Add to the ticket's budget, and continue a loop that had used it up."""
    loop = replace(loop, spend=replace(loop.spend, extra_usd=round(loop.spend.extra_usd + more, 2)))
    comment = PostComment(body=replies.budget_message(author.name, more, policy.caps_of(loop).ticket_usd))
    if loop.stage is Stage.NEEDS_HUMAN and loop.escalation and loop.escalation.kind == "budget":
        again = hand_over(loop, at, policy)
        return Decision(again.loop, (comment, *again.commands))
    return Decision(loop, (comment,))


def approve(loop: Loop, by: str, *commands: Command) -> Decision:
    """Record an approval of the pushed commit."""
    sha = loop.pull_request.pushed_sha
    loop = replace(loop, pull_request=replace(loop.pull_request, approved_sha=sha, approved_by=by))
    return Decision(loop, (*commands, PostComment(body=replies.approved_message(by, sha))))


def merge(loop: Loop) -> Decision:
    """Merge the approved commit; without an approval of the pushed commit, ask for it."""
    if not loop.pull_request.approved_sha or loop.pull_request.approved_sha != loop.pull_request.pushed_sha:
        return Decision(loop, (PostComment(body=replies.not_approved_message(loop)),))
    loop = replace(loop, stage=Stage.MERGING, reason="")
    merge = MergePullRequest(
        generation=loop.generation,
        repository=loop.workspace.repository,
        number=loop.pull_request.number,
        sha=loop.pull_request.approved_sha,
        title=f"{pull_request_title(loop)} (#{loop.pull_request.number})",
    )
    return Decision(loop, (merge,))
