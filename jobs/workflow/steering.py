"""Rules for comments of people, on the ticket and on the pull request: commands here, sentences in `hearing`."""

from __future__ import annotations

import re
from dataclasses import replace

from integrations.events import PullRequestCommented, SteeringTaken, TicketCommented
from integrations.texts import cut
from integrations.values import Person, QueuePlace
from jobs.loop.commands import (
    ApprovePullRequest,
    Command,
    Freeze,
    MergePullRequest,
    MoveTicket,
    PostComment,
    SetNeedsHuman,
    Thaw,
)
from jobs.loop.comments import GUIDANCE_CHARACTERS, Guidance, join_guidance
from jobs.loop.finding_state import RequestAutomation
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages import replies
from jobs.messages.approvals import accepted_message
from jobs.messages.pull_request import pull_request_title
from jobs.messages.status import help_message, status_message, why_message
from jobs.workflow.approvals import approve, is_reviewable, link_account
from jobs.workflow.calls import read_call
from jobs.workflow.commands_text import (
    INFORMATION,
    KNOWN,
    SERVICE,
    CommentCommand,
    ParsedComment,
    find_conflict,
    find_nearest_command,
    is_automation,
    parse_comment,
)
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.edits import correct, find_seen, is_late_edit, is_seen, mark_seen
from jobs.workflow.escalation import acknowledge
from jobs.workflow.finding_reports import ignore_finding
from jobs.workflow.follow_ups import file_follow_up
from jobs.workflow.foreign import can_resume, resume_on_branch
from jobs.workflow.hand_over import hand_over, interrupt, revise, stop
from jobs.workflow.hearing import PULL, guide, hear, kind_of
from jobs.workflow.preflight import awaits_new_base, retry
from jobs.workflow.publish import enter_review
from jobs.workflow.run import awaits_answer
from jobs.workflow.run_results import finish, objection_to, publish
from jobs.workflow.upstream import list_known_bases, without_result
from jobs.workflow.waits import start_anyway

_NEED_APPROVER = SERVICE | {"approve", "merge", "accept", "budget"}
DAY = 86_400.0
_RUN_ANYWAY = re.compile(r"\W*(?:please\W+)?(?:run|start)(?: it)? anyway\W*", re.IGNORECASE)
"""The words that the comment about a wait asks for."""


def on_ticket_commented(loop: Loop, event: TicketCommented, policy: ServicePolicy) -> Decision:
    """A person commented on the ticket, or edited a comment; `jobs.effects.gather` drops Loopline's own comments."""
    parsed = read_call(event) if event.through else parse_comment(event.body, event.names)
    if loop.stage is Stage.WAITING and _RUN_ANYWAY.fullmatch(parsed.prose) and not parsed.commands:
        parsed = ParsedComment("", (CommentCommand("run", "anyway"),))
    author, ours = event.author, loop.stage is not Stage.IDLE
    if author is None or not (ours or any(_applies_always(command) for command in parsed.commands)):
        return Decision(loop)
    if is_seen(loop, event) or is_late_edit(loop, event):
        return Decision(loop)
    old = find_seen(loop, event.comment_id)
    loop = mark_seen(loop, event, parsed) if ours else loop
    thread = event.parent_id or ("" if event.session_id else event.comment_id)
    guidance = Guidance(
        author=author.name,
        text=cut(parsed.prose, GUIDANCE_CHARACTERS),
        comment_id=event.comment_id,
        thread=thread,
        images=event.images,
    )

    def hear_new(loop: Loop) -> Decision:
        return _hear_comment(loop, parsed, guidance, author, event.at, policy, queued=event.queued)

    decision = correct(loop, old, parsed, guidance, hear_new) if old and author.may_steer else hear_new(loop)
    return _reply_in_thread(decision, event.parent_id)


def on_pull_request_commented(loop: Loop, event: PullRequestCommented, policy: ServicePolicy) -> Decision:
    """A person commented on the pull request; unknown commands there are for other tools."""
    if event.number != loop.pull_request.number or not event.number or event.author is None or event.author.is_us:
        return Decision(loop)
    place = f"{event.path}:{event.line}: " if event.path else ""
    if not event.author.is_bot:
        loop = replace(loop, pull_request=replace(loop.pull_request, commented_by=event.author.name))
    parsed = parse_comment(event.body)
    commands = tuple(command for command in parsed.commands if command.is_known)
    if parsed.commands and not commands:
        return Decision(loop)
    text = cut(place + parsed.prose, GUIDANCE_CHARACTERS) if parsed.prose else ""
    guidance = Guidance(author=event.author.name, text=text, comment_id=f"{PULL}{event.comment_id}")
    at = event.at + 1.0 if commands else event.at  # the code host's times are whole seconds
    return _hear_comment(loop, replace(parsed, commands=commands), guidance, event.author, at, policy, place)


def on_steering_taken(loop: Loop, event: SteeringTaken) -> Decision:
    """The comments were delivered to the agent; the ticket shows their number."""
    pending = tuple(one for one in loop.comments.pending if one.comment_id not in event.comment_ids)
    taken_up = loop.comments.taken_up + len([comment_id for comment_id in event.comment_ids if comment_id])
    return Decision(replace(loop, comments=replace(loop.comments, pending=pending, taken_up=taken_up)))


def _applies_always(command: CommentCommand) -> bool:
    """Whether the command counts on a ticket that was not handed over, too."""
    if command.name == "run":
        return is_automation(command.text)
    return command.name in SERVICE | INFORMATION | {"link", "ignore"}


def _reply_in_thread(decision: Decision, root: str) -> Decision:
    """The decision whose comments are in the thread of the comment that it answers."""
    commands = tuple(
        replace(command, reply_to=command.reply_to or root) if isinstance(command, PostComment) else command
        for command in decision.commands
    )
    return replace(decision, commands=commands) if root else decision


def _hear_comment(
    loop: Loop,
    parsed: ParsedComment,
    guidance: Guidance,
    author: Person,
    at: float,
    policy: ServicePolicy,
    place: str = "",
    queued: QueuePlace | None = None,
) -> Decision:
    """Apply the commands in order. The other text counts like a comment without commands, or is kept beside commands
    that act."""
    commands: list[Command] = []
    conflict = find_conflict(parsed.commands)
    winner = next((name for name in conflict if name in {"stop", "cancel"}), "")
    given = [command for command in parsed.commands if command.name not in conflict or command.name == winner]
    if conflict and author.may_steer:
        commands.append(PostComment(body=replies.conflict_message(conflict, winner)))
    acts = any(command.is_known and command.name not in INFORMATION for command in parsed.commands)
    if guidance.text and author.may_steer:
        if acts:
            loop = _keep_beside_commands(loop, guidance)
        else:
            loop = acknowledge(loop)
            decision = hear(loop, guidance, at, policy, kind_of(guidance.text, is_for_another=parsed.is_for_another))
            loop, commands = decision.loop, [*commands, *decision.commands]
    for command in given:
        text = cut(f"{place}{command.text}" if command.text else "", GUIDANCE_CHARACTERS)
        decision = _apply_command(loop, command.name, replace(guidance, text=text), author, at, policy, queued)
        loop, commands = decision.loop, [*commands, *decision.commands]
    if loop.stage in AT_WORK and guidance in loop.comments.noted:
        decision = guide(replace(loop, comments=loop.comments.without(guidance.comment_id)), guidance)
        loop, commands = decision.loop, [*commands, *decision.commands]
    return Decision(loop, tuple(commands))


def _keep_beside_commands(loop: Loop, guidance: Guidance) -> Loop:
    """Keep the text for the next brief; a bare `/changes` or `/retry` starts a round with it."""
    if loop.stage is Stage.IDLE or kind_of(guidance.text) == "thanks":
        return loop
    return replace(loop, comments=loop.comments.note(guidance))


def _apply_command(
    loop: Loop,
    name: str,
    guidance: Guidance,
    author: Person,
    at: float,
    policy: ServicePolicy,
    queued: QueuePlace | None,
) -> Decision:
    if name in INFORMATION:
        return _inform(loop, name, at, policy, queued)
    if hint := _hint(loop, name):
        return Decision(loop, (PostComment(body=hint),))
    if name not in KNOWN:
        return _inform(loop, name, at, policy)
    allowed = policy.may_approve(author) if name in _NEED_APPROVER else author.may_steer
    if not allowed:
        return Decision(loop, (PostComment(body=replies.not_allowed_message(name, author.name)),))
    if name in SERVICE:
        return _switch(loop, name, guidance.text, author, at)
    if name == "link":
        return link_account(loop, author, guidance.text)
    if name == "ticket":
        return file_follow_up(loop, guidance)
    if name == "run" and is_automation(guidance.text):
        place = loop.workspace.repository
        run = RequestAutomation(name=guidance.text, by=author.name, repository=place, reply_to=guidance.thread)
        return Decision(loop, (run,))
    if name == "ignore":
        return ignore_finding(loop, guidance)
    loop = acknowledge(loop)
    if name in {"changes", "retry", "resume"} and not guidance.text and loop.comments.noted:
        noted = replace(join_guidance(loop.comments.noted), comment_id=guidance.comment_id, thread=guidance.thread)
        guidance = noted if name == "changes" else guidance
    return (
        _control_work(loop, name, guidance, author, at, policy)
        or _control_review(loop, name, guidance, author, at, policy)
        or Decision(loop, (PostComment(body=_refuse(loop, name, guidance)),))
    )


def _hint(loop: Loop, name: str) -> str:
    nearest = "" if name in KNOWN else find_nearest_command(name)
    return replies.nearest_command_message(name, nearest) if nearest else ""


def _refuse(loop: Loop, name: str, guidance: Guidance) -> str:
    lacks_text = (name == "changes" and not guidance.text) or (name == "budget" and not _parse_dollars(guidance.text))
    return replies.missing_text_message(name) if lacks_text else replies.not_now_message(name, loop)


def _inform(loop: Loop, name: str, at: float, policy: ServicePolicy, queued: QueuePlace | None = None) -> Decision:
    """Reply to `/status`, `/why`, `/help` and unknown commands; the list of commands comes once a day."""
    if name == "status":
        return Decision(loop, (PostComment(body=status_message(loop, policy.caps_of(loop).ticket_usd, queued)),))
    if name == "why":
        return Decision(loop, (PostComment(body=why_message(loop)),))
    unknown = "" if name == "help" else name
    last = loop.comments.helped_at
    if last and 0 <= at - last < DAY:
        return Decision(loop, (PostComment(body=replies.help_again_message(unknown, last)),))
    helped = replace(loop, comments=replace(loop.comments, helped_at=at))
    return Decision(helped, (PostComment(body=help_message(unknown, loop)),))


def _control_work(
    loop: Loop, name: str, guidance: Guidance, author: Person, at: float, policy: ServicePolicy
) -> Decision | None:
    """Commands that start, steer or stop the work, or answer an escalation; None if `name` does not apply now."""
    if name in {"stop", "cancel"} and (loop.stage in AT_WORK | {Stage.ASKING} or awaits_answer(loop)):
        return stop(loop, replies.command_reason(author.name, name), at, policy)
    if name in {"run", "retry"} and (started := _start_anyway(loop, name, guidance, policy)):
        return started
    stopped_before = loop.stage is Stage.STOPPED and at >= loop.finished_at  # else the stop overrules a late `/retry`
    if name == "retry" and (stopped_before or loop.stage in {Stage.NEEDS_HUMAN, Stage.ASKING, Stage.WAITING}):
        if awaits_new_base(loop) and not guidance.text:
            return retry(loop, at)
        return hand_over(loop, at, policy, (guidance,) if guidance.text else (), anyway=True)
    if name == "resume" and can_resume(loop) and (stopped_before or loop.stage is not Stage.STOPPED):
        return resume_on_branch(loop, (guidance,) if guidance.text else (), at, policy)
    if name == "changes" and guidance.text and loop.stage is Stage.PUBLISHING:
        return hear(loop, replace(guidance, requested=True), at, policy)
    if name == "changes" and guidance.text and loop.stage in AT_WORK:
        return guide(loop, guidance)
    if name == "changes" and guidance.text and loop.stage in {Stage.NEEDS_HUMAN, Stage.STOPPED, Stage.DONE}:
        return hear(loop, guidance, at, policy)
    if name == "budget" and (more := _parse_dollars(guidance.text)):
        return _add_budget(loop, more, author, at, policy)
    if name == "takeover" and loop.stage in AT_WORK | OPEN | {Stage.ASKING, Stage.NEEDS_HUMAN}:
        return _take_over(loop, author, at, policy)
    if name == "close" and (loop.stage is Stage.NEEDS_HUMAN or (loop.stage is Stage.STOPPED and loop.workspace.branch)):
        return stop(loop, replies.command_reason(author.name, name), at, policy, clean_up=True)
    return _accept(loop, author, at) if name == "accept" else None


def _start_anyway(loop: Loop, name: str, guidance: Guidance, policy: ServicePolicy) -> Decision | None:
    """The text of `/run anyway` is no guidance, that of `/retry <hint>` is."""
    return start_anyway(loop, replace(guidance, text="") if name == "run" else guidance, policy)


def _control_review(
    loop: Loop, name: str, request: Guidance, author: Person, at: float, policy: ServicePolicy
) -> Decision | None:
    if loop.stage not in OPEN:
        return None
    if name == "stop" and loop.stage is Stage.MERGING:
        running = interrupt(loop)
        loop = replace(without_result(loop), stage=Stage.REVIEW, reason=replies.merge_cancelled_reason(author.name))
        return Decision(loop, (*running, PostComment(body=loop.reason)))
    if name == "changes" and request.text:
        return revise(loop, request, at, PostComment(body=replies.changes_message(author.name, loop.revision + 1)))
    if name in {"approve", "merge"} and at < loop.pull_request.shown_at:
        return Decision(loop, (PostComment(body=replies.outdated_command_message(name, loop)),))
    if name in {"approve", "merge"} and loop.stage is Stage.CI:  # the person does not wait for the checks
        begun = enter_review(loop, policy)
        decision = _control_review(begun.loop, name, request, author, at, policy)
        return decision and Decision(decision.loop, (*begun.commands, *decision.commands))
    if name == "approve" and is_reviewable(loop):
        note = ApprovePullRequest(
            generation=loop.generation,
            repository=loop.workspace.repository,
            number=loop.pull_request.number,
            sha=loop.pull_request.pushed_sha,
            body=replies.approved_on_ticket_message(loop, author.name),
            login=author.login,
        )
        return approve(loop, author, note)
    return merge(loop, author.name, request.text) if name == "merge" else None


def _switch(loop: Loop, name: str, reason: str, author: Person, at: float) -> Decision:
    """Freeze or thaw the service at once. The comment waits in the outbox, so it is posted after the thaw."""
    if name == "freeze":
        comment = PostComment(body=replies.frozen_message(author.name, at))
        return Decision(loop, (Freeze(by=author.name, at=at, reason=reason), comment))
    return Decision(loop, (Thaw(by=author.name, at=at), PostComment(body=replies.thawed_message(author.name))))


def _accept(loop: Loop, author: Person, at: float) -> Decision | None:
    """Accept all changes of the candidate that need approval; None if no escalation asks for that."""
    candidate = replace(loop.candidate, accepted_sha=loop.candidate.head_sha, accepted_by=author.name)
    accepted = replace(loop, reason="", candidate=candidate)
    asked = loop.stage is Stage.NEEDS_HUMAN and loop.escalation and loop.escalation.kind == "tamper"
    if not asked or not candidate.tampering or objection_to(accepted):
        return None
    body = accepted_message(author.name, candidate.head_sha, candidate.tampering, candidate.gate.experiments)
    comment = PostComment(body=body)
    return finish(accepted, at, comment, SetNeedsHuman(needed=False), MoveTicket(column="working"))


def _take_over(loop: Loop, author: Person, at: float, policy: ServicePolicy) -> Decision:
    """Stop for a person who continues the work, and push the last candidate."""
    unpushed = loop.candidate.head_sha not in {"", loop.workspace.base_sha, loop.pull_request.pushed_sha}
    reason = replies.taken_over_reason(author.name, loop.candidate.head_sha if unpushed else "")
    loop = replace(loop, workspace=replace(loop.workspace, taken_over_by=author.name))
    decision = stop(loop, reason, at, policy, moves=False)
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


def merge(loop: Loop, by: str = "", text: str = "") -> Decision:
    """Merge the approved commit; without an approval of the pushed commit, ask for it. `by` is empty where an earlier
    request goes on. `text` is that of `/merge`: 'anyway' insists on a merge without what is not required."""
    if not loop.pull_request.approved_sha or loop.pull_request.approved_sha != loop.pull_request.pushed_sha:
        return Decision(loop, (PostComment(body=replies.not_approved_message(loop)),))
    insists = text.strip(" .!").lower() == "anyway" if by else loop.merging.insists
    asked = replace(loop.merging, by=by or loop.merging.by, insists=insists)
    loop = replace(loop, stage=Stage.MERGING, reason="", merging=asked)
    merge = MergePullRequest(
        branch=loop.workspace.branch,
        base_branch=loop.workspace.base_branch,
        known_bases=list_known_bases(loop),
        generation=loop.generation,
        repository=loop.workspace.repository,
        number=loop.pull_request.number,
        sha=loop.pull_request.approved_sha,
        title=f"{pull_request_title(loop)} (#{loop.pull_request.number})",
    )
    return Decision(loop, (merge,))
