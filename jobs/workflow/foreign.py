"""Rules for actions of other accounts on the code host. A person's work is never deleted, moved or pushed over.

Each rule compares the present state, from a webhook or the sweep, with the loop's, so that each action has one effect
and one sentence on the ticket, however often it is reported.
"""

from __future__ import annotations

from dataclasses import replace

from integrations.events import (
    BranchMoved,
    BranchPushed,
    PullRequestChanged,
    PullRequestClosed,
    PullRequestMerged,
    PullRequestReopened,
    RepositoryChanged,
)
from integrations.values import NO_COMMIT, CommitSha
from jobs.loop.commands import Command, LinkPullRequest, MoveTicket, PostComment, SetNeedsHuman, SetStatus
from jobs.loop.comments import Guidance
from jobs.loop.foreign_state import RepositoryState
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages import foreign as messages
from jobs.messages.pull_request import pull_request_title
from jobs.messages.verdict import merged_message, pull_request_subtitle
from jobs.workflow import upstream
from jobs.workflow.bandwidth import count_lines
from jobs.workflow.decision import Decision, ServicePolicy, build_clean_up
from jobs.workflow.hand_over import add_push, choose_another_branch, hand_over, interrupt, stop
from jobs.workflow.preflight import on_base_pushed
from jobs.workflow.run_results import publish

CUT_TITLE = 200  # characters; GitHub keeps 256
CALLS = frozenset({Stage.ASKING, Stage.NEEDS_HUMAN})


def on_branch_pushed(loop: Loop, event: BranchPushed, policy: ServicePolicy) -> Decision:
    """A commit of another account on the loop's branch voids the verdict and pauses the work, which is kept; one on the
    base branch can fix the environment. A branch that Loopline has not pushed to is not the loop's yet."""
    if event.branch and event.branch == loop.workspace.base_branch:
        noted = upstream.on_base_pushed(loop, event, policy)
        return on_base_pushed(noted.loop, event, policy)
    own = loop.pull_request.pushed_sha
    if event.branch != loop.workspace.branch or not own or loop.stage not in OPEN | AT_WORK:
        return Decision(loop)
    if not event.head_sha:
        reason = messages.branch_deleted_reason(event.by)
        return stop(loop, reason, event.at, policy, clean_up=True)
    if event.head_sha in {loop.candidate.head_sha, own}:
        return Decision(loop)
    if loop.stage in AT_WORK:
        return _pause(loop, event.by, event.head_sha, event.at, policy)
    here = (MoveTicket(column="review"),) if loop.stage is Stage.CI else ()
    loop = replace(_move_head(loop, event.by, event.head_sha, event.at), stage=Stage.REVIEW)
    repository, unchecked = loop.workspace.repository, messages.UNCHECKED_DESCRIPTION
    status = SetStatus(repository=repository, sha=event.head_sha, state="pending", description=unchecked)
    body = messages.foreign_commit_message(event.by, event.head_sha, is_forced=event.is_forced)
    return Decision(loop, (status, PostComment(body=body), *here))


def on_branch_moved(loop: Loop, event: BranchMoved, policy: ServicePolicy) -> Decision:
    """The candidate was not pushed: another account pushed first, or the branch existed before the first push."""
    if event.generation != loop.generation or loop.stage is not Stage.PUBLISHING:
        return Decision(loop)
    if not loop.pull_request.pushed_sha:
        again = choose_another_branch(loop)
        body = messages.another_branch_message(loop.workspace.branch, again.workspace.branch)
        return Decision(again, (PostComment(body=body), publish(again)))
    if not event.head_sha:
        return stop(loop, messages.branch_deleted_reason(""), event.at, policy, clean_up=True)
    return _pause(loop, event.by, event.head_sha, event.at, policy)


def _pause(loop: Loop, by: str, head: CommitSha, at: float, policy: ServicePolicy) -> Decision:
    """Stop, and keep the work that was not pushed for the next maker, who gets it on top of the new head."""
    kept = replace(_move_head(loop, by, head, at), checkpoint=loop.unpushed)
    return stop(kept, messages.pushed_reason(by, head), at, policy)


def _move_head(loop: Loop, by: str, head: CommitSha, at: float) -> Loop:
    loop = add_push(loop, by, head)
    pushed = replace(loop.pull_request.unapproved(), pushed_sha=head, shown_at=at)
    return replace(loop, candidate=loop.candidate.at(head), pull_request=pushed)


def resume_on_branch(loop: Loop, guidance: tuple[Guidance, ...], at: float, policy: ServicePolicy) -> Decision:
    """`/resume`: continue on the branch as people left it, also on one that a person took over."""
    was_left = bool(loop.workspace.taken_over_by)
    foreign = replace(loop.foreign, is_shared=loop.foreign.is_shared or was_left)
    loop = replace(loop, foreign=foreign, workspace=replace(loop.workspace, taken_over_by=""))
    return hand_over(loop, at, policy, guidance, anyway=True)


def can_resume(loop: Loop) -> bool:
    """Whether `/resume` applies: the work has stopped, or its verdict is void."""
    return loop.stage in CALLS | {Stage.STOPPED} or (loop.stage is Stage.REVIEW and loop.candidate.verdict is None)


def on_pull_request_merged(loop: Loop, event: PullRequestMerged) -> Decision:
    """The pull request is merged, wherever: the ticket is done, worktree and branch are deleted."""
    if not _is_own(loop, event.number) or loop.stage is Stage.DONE:
        return Decision(loop)
    done, url = replace(loop, stage=Stage.DONE, reason="", finished_at=event.at), loop.pull_request.url
    commands = (
        *interrupt(loop),
        LinkPullRequest(url=url, title=pull_request_title(done), subtitle=pull_request_subtitle(done)),
        SetNeedsHuman(needed=False),
        MoveTicket(column="done"),
        PostComment(body=merged_message(done), once=f"merged/{loop.pull_request.number}"),
        count_lines(loop, event.head_sha),
        build_clean_up(loop, event.head_sha),
    )
    return Decision(done, commands)


def on_pull_request_closed(loop: Loop, event: PullRequestClosed, policy: ServicePolicy) -> Decision:
    """Stop. A close by a person deletes the branch too; a base branch that was deleted does not."""
    if not _is_own(loop, event.number) or loop.stage not in OPEN | AT_WORK:
        return Decision(loop)
    if event.lost_base:
        return stop(loop, messages.lost_base_reason(event.lost_base), event.at, policy)
    return stop(loop, messages.closed_reason(event.by), event.at, policy, clean_up=True)


def on_pull_request_reopened(loop: Loop, event: PullRequestReopened) -> Decision:
    """Return to the review; the code host reopens a pull request only when its branch exists again."""
    if not _is_own(loop, event.number) or loop.stage is not Stage.STOPPED or loop.workspace.taken_over_by:
        return Decision(loop)
    verdict = loop.candidate.verdict
    if verdict and event.head_sha != verdict.head_sha:
        known = replace(loop, pull_request=replace(loop.pull_request, pushed_sha=verdict.head_sha))
        loop = replace(add_push(known, event.by, event.head_sha), candidate=loop.candidate.at(event.head_sha))
    again = replace(
        loop,
        stage=Stage.REVIEW,
        reason="",
        finished_at=0.0,
        workspace=replace(loop.workspace, branch=event.branch or loop.workspace.branch),
        candidate=replace(loop.candidate, head_sha=event.head_sha),
        pull_request=replace(loop.pull_request, pushed_sha=event.head_sha, shown_at=event.at),
    )
    return Decision(again, (MoveTicket(column="review"), PostComment(body=messages.reopened_message(event.by))))


def on_pull_request_changed(loop: Loop, event: PullRequestChanged) -> Decision:
    """Note another title, base branch, draft state or lock of the pull request."""
    if not _is_own(loop, event.number) or loop.stage not in OPEN | AT_WORK | CALLS:
        return Decision(loop)
    comments: list[str] = []
    if is_another_title(event.title, loop.foreign.title or loop.pull_request.title):
        loop = replace(loop, foreign=replace(loop.foreign, title=event.title))
        comments.append(messages.retitled_message(event.by, event.title))
    if event.is_locked != loop.foreign.is_locked:
        loop = replace(loop, foreign=replace(loop.foreign, is_locked=event.is_locked))
        comments.append((messages.locked_message if event.is_locked else messages.unlocked_message)(event.by))
    if event.is_draft != loop.pull_request.draft and loop.stage in OPEN:
        stage = Stage.REVIEW if loop.stage is Stage.MERGING else loop.stage
        loop = replace(loop, stage=stage, pull_request=replace(loop.pull_request, draft=event.is_draft))
        comments.append((messages.draft_message if event.is_draft else messages.ready_message)(event.by))
    if event.base and event.base != loop.workspace.base_branch:
        loop, comment = _change_base(loop, event)
        comments.append(comment)
    return Decision(loop, tuple(PostComment(body=body) for body in comments))


def is_another_title(title: str, known: str) -> bool:
    """Whether a person wrote this title. The code host cuts a long one."""
    return bool(title and known) and title[:CUT_TITLE] != known[:CUT_TITLE]


def _change_base(loop: Loop, event: PullRequestChanged) -> tuple[Loop, str]:
    """The verdict holds for a branch under a new name, and not for another branch."""
    before, place = loop.workspace.base_branch, replace(loop.workspace, base_branch=event.base)
    if event.is_base_renamed:
        place = replace(place, chosen_base=event.base if place.chosen_base else "")
        foreign = replace(loop.foreign, base=event.base if loop.foreign.base else "")
        return replace(loop, workspace=place, foreign=foreign), messages.base_renamed_message(before, event.base)
    moved = replace(
        loop,
        stage=Stage.REVIEW if loop.stage is Stage.MERGING else loop.stage,
        workspace=replace(place, chosen_base=event.base, base_sha=NO_COMMIT),
        candidate=loop.candidate.at(loop.candidate.head_sha),
        pull_request=loop.pull_request.unapproved(),
        foreign=replace(loop.foreign, base=event.base),
    )
    return moved, messages.retargeted_message(event.by, before, event.base)


def on_repository_changed(loop: Loop, event: RepositoryChanged, policy: ServicePolicy) -> Decision:
    """Pause while the repository cannot be written to under its known name; a ticket in review stays there."""
    state, known = _classify_repository(loop, event), loop.foreign
    if state == known.repository or loop.stage not in OPEN | AT_WORK | CALLS | {Stage.STOPPED}:
        return Decision(loop)
    renamed_to = event.name if state == "renamed" else ""
    loop = replace(loop, foreign=replace(known, repository=state, renamed_to=renamed_to))
    repository = loop.workspace.repository
    if not state:
        return Decision(loop, (PostComment(body=messages.repository_back_message(repository)),))
    if loop.stage in AT_WORK:
        return stop(loop, messages.repository_reason(repository, loop.foreign), event.at, policy)
    stage = Stage.REVIEW if loop.stage is Stage.MERGING else loop.stage
    comments: tuple[Command, ...] = ()
    if loop.stage in OPEN:
        comments = (PostComment(body=messages.repository_message(loop)),)
    return Decision(replace(loop, stage=stage), comments)


def _classify_repository(loop: Loop, event: RepositoryChanged) -> RepositoryState:
    if not event.name:
        return "inaccessible"
    if event.name.lower() != loop.workspace.repository.lower():
        return "renamed"
    return "archived" if event.is_archived else ""


def follow_rename(loop: Loop, policy: ServicePolicy) -> Loop:
    """The loop in the repository's new name, once the operator has set that."""
    team = policy.teams.get(loop.ticket.team)
    new = loop.foreign.renamed_to
    if not new or team is None or new not in team.repositories or loop.stage in AT_WORK:
        return loop
    head = loop.pull_request.pushed_sha  # what was not pushed is in the mirror of the old name
    return replace(
        loop,
        workspace=replace(loop.workspace, repository=new),
        candidate=loop.candidate if head == loop.candidate.head_sha else loop.candidate.at(head),
        checkpoint=NO_COMMIT,
        foreign=replace(loop.foreign, repository="", renamed_to=""),
    )


def _is_own(loop: Loop, number: int) -> bool:
    return bool(loop.pull_request.number) and number == loop.pull_request.number
