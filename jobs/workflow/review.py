"""Rules while people hold the work: reviews, merges, closed pull requests, foreign commits, checks of the code host."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import (
    BranchPushed,
    ChecksReported,
    PullRequestClosed,
    PullRequestMerged,
    PullRequestReopened,
    ReviewSubmitted,
)
from integrations.texts import cut
from jobs.loop.commands import LinkPullRequest, MoveTicket, PostComment, SetNeedsHuman, SetStatus
from jobs.loop.comments import GUIDANCE_CHARACTERS, Guidance
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages import replies
from jobs.messages.pull_request import pull_request_title
from jobs.messages.verdict import STATUS_CONTEXT, merged_message, pull_request_subtitle
from jobs.workflow.decision import Decision, ServicePolicy, build_clean_up
from jobs.workflow.hand_over import interrupt, revise, stop
from jobs.workflow.hearing import PULL, guide, hear, kind_of
from jobs.workflow.preflight import on_base_pushed
from jobs.workflow.steering import approve

MAX_CHECKS, MAX_CHECK_NAME = 20, 100  # failing checks that the ticket shows, and characters of their names


def on_review_submitted(loop: Loop, event: ReviewSubmitted, policy: ServicePolicy) -> Decision:
    """Changes requested starts another iteration; an approval counts for the commit it was given on."""
    author = event.author
    if event.number != loop.pull_request.number or author is None or not author.may_steer:
        return Decision(loop)
    text = "\n".join(part for part in (event.body, *event.comments) if part) or "see the review"
    request = Guidance(author=author.name, text=cut(text, GUIDANCE_CHARACTERS))
    if event.state == "dismissed" and loop.pull_request.approved_by == author.name:
        stage = Stage.REVIEW if loop.stage is Stage.MERGING else loop.stage
        return Decision(replace(loop, stage=stage, pull_request=loop.pull_request.unapproved()))
    given = replace(request, comment_id=f"{PULL}review-{event.review_id}", requested=True)
    if event.state == "commented" and event.body.strip():  # comments on lines have events of their own
        sentence = replace(given, text=cut(event.body, GUIDANCE_CHARACTERS), requested=False)
        return hear(loop, sentence, event.at, policy, kind_of(event.body))
    if event.state == "changes_requested" and loop.stage is Stage.PUBLISHING:
        return hear(loop, given, event.at, policy)
    if event.state == "changes_requested" and loop.stage in AT_WORK:
        return guide(loop, given)
    if event.state == "changes_requested" and loop.stage in OPEN:
        comment = PostComment(body=replies.changes_message(author.name, loop.revision + 1))
        return revise(loop, request, event.at, comment)
    if event.state == "approved" and event.head_sha == loop.pull_request.pushed_sha and loop.stage is Stage.REVIEW:
        return approve(loop, author.name)
    return Decision(loop)


def on_pull_request_merged(loop: Loop, event: PullRequestMerged) -> Decision:
    """The pull request is merged: the ticket is done, worktree and branch are deleted."""
    if not _is_own(loop, event.number) or loop.stage is Stage.DONE:
        return Decision(loop)
    done, url = replace(loop, stage=Stage.DONE, reason="", finished_at=event.at), loop.pull_request.url
    commands = (
        *interrupt(loop),
        LinkPullRequest(url=url, title=pull_request_title(done), subtitle=pull_request_subtitle(done)),
        SetNeedsHuman(needed=False),
        MoveTicket(column="done"),
        PostComment(body=merged_message(done), once=f"merged/{loop.pull_request.number}"),
        build_clean_up(loop, event.head_sha),
    )
    return Decision(done, commands)


def on_pull_request_closed(loop: Loop, event: PullRequestClosed, policy: ServicePolicy) -> Decision:
    if not _is_own(loop, event.number) or loop.stage not in OPEN | AT_WORK:
        return Decision(loop)
    return stop(loop, replies.closed_reason(event.by), event.at, policy, clean_up=True)


def on_pull_request_reopened(loop: Loop, event: PullRequestReopened) -> Decision:
    """Return to the review; the code host reopens a pull request only when its branch exists again."""
    if not _is_own(loop, event.number) or loop.stage is not Stage.STOPPED or loop.workspace.taken_over_by:
        return Decision(loop)
    again = replace(
        loop,
        stage=Stage.REVIEW,
        reason="",
        finished_at=0.0,
        workspace=replace(loop.workspace, branch=event.branch or loop.workspace.branch),
        candidate=replace(loop.candidate, head_sha=event.head_sha),
        pull_request=replace(loop.pull_request, pushed_sha=event.head_sha, shown_at=event.at),
    )
    return Decision(again, (MoveTicket(column="review"),))


def on_branch_pushed(loop: Loop, event: BranchPushed, policy: ServicePolicy) -> Decision:
    """A foreign commit on the loop's branch voids the verdict and pauses the loop; one on the base branch can fix the
    environment."""
    if event.branch and event.branch == loop.workspace.base_branch:
        return on_base_pushed(loop, event, policy)
    known = {"", loop.candidate.head_sha, loop.pull_request.pushed_sha}
    if event.branch != loop.workspace.branch or event.head_sha in known or loop.stage not in OPEN | AT_WORK:
        return Decision(loop)
    pushed = replace(loop.pull_request.unapproved(), pushed_sha=event.head_sha, shown_at=event.at)
    void = replace(loop, candidate=loop.candidate.at(event.head_sha), pull_request=pushed)
    if loop.stage in AT_WORK:
        return stop(void, replies.pushed_reason(event.by), event.at, policy)
    loop = replace(void, stage=Stage.REVIEW)
    repository, unchecked = loop.workspace.repository, replies.UNCHECKED_DESCRIPTION
    status = SetStatus(repository=repository, sha=event.head_sha, state="pending", description=unchecked)
    return Decision(loop, (status, PostComment(body=replies.foreign_commit_message(event.by, event.head_sha))))


def on_checks_reported(loop: Loop, event: ChecksReported) -> Decision:
    """Show the result of the code host's own checks of the commit under review, without acting on it."""
    if event.head_sha != loop.pull_request.pushed_sha or event.name == STATUS_CONTEXT or loop.stage not in OPEN:
        return Decision(loop)
    others = tuple(name for name in loop.pull_request.failing_checks if name != event.name[:MAX_CHECK_NAME])
    failing = (*others, event.name[:MAX_CHECK_NAME])[-MAX_CHECKS:] if event.conclusion == "failure" else others
    if set(failing) == set(loop.pull_request.failing_checks):
        return Decision(loop)
    return Decision(replace(loop, pull_request=replace(loop.pull_request, failing_checks=failing)))


def _is_own(loop: Loop, number: int) -> bool:
    return bool(loop.pull_request.number) and number == loop.pull_request.number
