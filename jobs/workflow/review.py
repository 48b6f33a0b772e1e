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
from jobs.loop.commands import (
    CleanUp,
    Command,
    LinkPullRequest,
    MoveTicket,
    PostComment,
    SetNeedsHuman,
    SetStatus,
    StopRun,
)
from jobs.loop.state import AT_WORK, OPEN, RUNNING, Guidance, Loop, Stage
from jobs.messages.replies import (
    approved_message,
    changes_message,
    closed_reason,
    foreign_commit_message,
    pushed_reason,
    unchecked_description,
)
from jobs.messages.verdict import STATUS_CONTEXT, merged_message, pull_request_subtitle, pull_request_title
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.hand_over import revise, stop
from jobs.workflow.steering import PULL, guide


def on_review_submitted(loop: Loop, event: ReviewSubmitted) -> Decision:
    """Changes requested starts another iteration; an approval counts for the commit it was given on."""
    author = event.author
    if event.number != loop.pull_request.number or author is None or not author.may_steer:
        return Decision(loop)
    if event.state == "dismissed" and loop.pull_request.approved_by == author.name:
        stage = Stage.REVIEW if loop.stage is Stage.MERGING else loop.stage
        return Decision(replace(loop, stage=stage, pull_request=loop.pull_request.unapproved()))
    if event.state == "changes_requested" and loop.stage in AT_WORK:
        return guide(
            loop, Guidance(author=author.name, text=_text(event), comment_id=f"{PULL}review-{event.review_id}")
        )
    if event.state == "changes_requested" and loop.stage in OPEN:
        words = Guidance(author=author.name, text=_text(event))
        return revise(loop, words, PostComment(body=changes_message(author.name, loop.revision + 1)))
    if event.state == "approved" and event.head_sha == loop.pull_request.pushed_sha and loop.stage is Stage.REVIEW:
        approved = replace(loop.pull_request, approved_sha=event.head_sha, approved_by=author.name)
        return Decision(
            replace(loop, pull_request=approved), (PostComment(body=approved_message(author.name, event.head_sha)),)
        )
    return Decision(loop)


def _text(event: ReviewSubmitted) -> str:
    return "\n".join(part for part in (event.body, *event.comments) if part) or "see the review"


def on_pull_request_merged(loop: Loop, event: PullRequestMerged) -> Decision:
    """The work is in: the board says so and everything of ours is removed."""
    if not _ours(loop, event.number) or loop.stage is Stage.DONE:
        return Decision(loop)
    commands: list[Command] = [StopRun(run_id=loop.run_id)] if loop.stage in RUNNING else []
    loop = replace(loop, stage=Stage.DONE, reason="", finished_at=event.at)
    return Decision(
        loop,
        (
            *commands,
            LinkPullRequest(
                url=loop.pull_request.url, title=pull_request_title(loop), subtitle=pull_request_subtitle(loop)
            ),
            SetNeedsHuman(needed=False),
            MoveTicket(column="done"),
            PostComment(body=merged_message(loop), once=f"merged/{loop.pull_request.number}"),
            CleanUp(repository=loop.workspace.repository, branch=loop.workspace.branch),
        ),
    )


def on_pull_request_closed(loop: Loop, event: PullRequestClosed, policy: ServicePolicy) -> Decision:
    """Somebody said no to the pull request."""
    if not _ours(loop, event.number) or loop.stage not in OPEN | AT_WORK:
        return Decision(loop)
    return stop(loop, closed_reason(event.by), event.at, policy, clean_up=True)


def on_pull_request_reopened(loop: Loop, event: PullRequestReopened) -> Decision:
    """Somebody changed their mind; the code host does that only once the branch is back."""
    if not _ours(loop, event.number) or loop.stage is not Stage.STOPPED:
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
    """A foreign commit on our branch means that a person took the wheel: the verdict is void and we pause."""
    known = {"", loop.candidate.head_sha, loop.pull_request.pushed_sha}
    if event.branch != loop.workspace.branch or event.head_sha in known or loop.stage not in OPEN | AT_WORK:
        return Decision(loop)
    pushed = replace(loop.pull_request.unapproved(), pushed_sha=event.head_sha, shown_at=event.at)
    void = replace(loop, candidate=loop.candidate.at(event.head_sha), pull_request=pushed)
    if loop.stage in AT_WORK:
        return stop(void, pushed_reason(event.by), event.at, policy)
    loop = replace(void, stage=Stage.REVIEW)
    unchecked = SetStatus(
        repository=loop.workspace.repository, sha=event.head_sha, state="pending", description=unchecked_description()
    )
    return Decision(loop, (unchecked, PostComment(body=foreign_commit_message(event.by, event.head_sha))))


def on_checks_reported(loop: Loop, event: ChecksReported) -> Decision:
    """What the code host's own checks say about the commit under review is shown, not acted on."""
    if event.head_sha != loop.pull_request.pushed_sha or event.name == STATUS_CONTEXT or loop.stage not in OPEN:
        return Decision(loop)
    others = tuple(name for name in loop.pull_request.failing_checks if name != event.name)
    failing = (*others, event.name) if event.conclusion == "failure" else others
    if set(failing) == set(loop.pull_request.failing_checks):
        return Decision(loop)
    return Decision(replace(loop, pull_request=replace(loop.pull_request, failing_checks=failing)))


def _ours(loop: Loop, number: int) -> bool:
    return bool(loop.pull_request.number) and number == loop.pull_request.number
