"""Answers to `/merge`, and the outcome of a merge that waits on the code host. Called by `jobs.workflow.merging`."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.ports.merge_rules import MissingPart, WaitingWay
from jobs.loop.state import Loop
from jobs.messages.text import code, fit_lines, fold, inline, link

_SHOWN, _WORDS = 20, 70
_REASONS = {
    "ci_failure": "a required check failed on the merge result",
    "ci_timeout": "a required check did not end in time on the merge result",
    "merge_conflict": "it conflicts with the base branch",
    "invalid_merge_commit": "the merge result is invalid",
    "git_tree_invalid": "the merge result is invalid",
    "branch_protections": "a rule of the base branch is not met",
    "manual": "a person removed it",
    "queue_cleared": "the queue was cleared",
    "roll_back": "an earlier merge of the queue was rolled back",
}


def merge_missing_message(loop: Loop, missing: Sequence[MissingPart]) -> str:
    """The list of requirements that are not met, each with its place."""
    number = loop.pull_request.number
    shown, others = fit_lines([f"- {_describe(part)}" for part in missing], _WORDS)
    end = "Send `/merge` again once this is done."
    if not any(part.required for part in missing):
        end += " The code host does not require it: `/merge anyway` merges without it."
    pull = link(f"pull request {number}", loop.pull_request.url)
    head = f"**Not merged yet.** For a merge of {pull} this is missing:"
    more = fold(f"{len(others)} more", "\n".join(others))
    return "\n\n".join(filter(None, [head, "\n".join(shown), more, end]))


def merge_missing_reason(missing: Sequence[MissingPart]) -> str:
    """The first missing part in one sentence, for the progress comment."""
    others = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"Not merged yet: {_describe(missing[0], with_link=False)}{others}."


def _describe(part: MissingPart, *, with_link: bool = True) -> str:
    name, place = inline(part.name, 100), part.url if with_link else ""
    optional = "" if part.required else " (not required by the code host)"
    match part.kind:
        case "closed":
            text = f"the {link('pull request', place)} is closed: reopen it"
        case "head":
            text = f"the {link('pull request', place)} has a newer commit, {code(part.name)}, that is not approved"
        case "draft":
            text = f"the {link('pull request', place)} is a draft: mark it as ready for review"
        case "conflict":
            text = f"the branch {link('conflicts', place)} with {code(part.name)}"
        case "behind":
            text = f"the branch has to contain the newest commit of {code(part.name)}: {link('update it', place)}"
        case "check_failed":
            text = f"the check {link(code(part.name), place)} failed"
        case "check_pending":
            text = f"the check {link(code(part.name), place)} has not ended"
        case "check_unread":
            text = f"{link('a check', place)} that Loopline cannot read has not passed"
        case "approval":
            some = "one more approving review" if part.count == 1 else f"{part.count} more approving reviews"
            text = f"{some} of people with write permission: {link('review it there', place)}"
        case "other_approval":
            text = (
                f"an approving review of a code owner, or of a person who did not push last: {link('see there', place)}"
            )
        case "changes_requested":
            text = f"{name or 'a reviewer'} {link('requested changes', place)}"
        case "thread":
            some = "an open review thread" if part.count == 1 else f"{part.count} open review threads, the first one"
            text = f"{some} in {link(code(part.name), place)}"
        case "method":
            text = "a merge method that both the repository and the rules of the base branch allow"
    return text + optional


def merge_waits_message(loop: Loop, way: WaitingWay, checks: Sequence[str]) -> str:
    """The code host performs the merge later."""
    pull = link(f"pull request {loop.pull_request.number}", loop.pull_request.url)
    if way == "queue":
        text = f"**In the merge queue.** The code host merges {pull} once its checks pass there."
    else:
        names = ", ".join(code(inline(name, 100)) for name in checks[:_SHOWN]) or "its required checks"
        text = f"**Auto-merge is enabled.** The code host merges {pull} once these checks pass: {names}."
    return f"{text} The outcome is reported here; `/stop` cancels the merge."


def merge_waits_reason(way: WaitingWay) -> str:
    """The same in one sentence."""
    return "The pull request is in the merge queue." if way == "queue" else "Auto-merge waits for required checks."


def merge_removed_reason(way: str, reason: str) -> str:
    """Why the code host does not merge any more; `reason` is its own, in lower case, or empty."""
    start = "Auto-merge was disabled" if way == "auto_merge" else "The pull request was removed from the merge queue"
    known = _REASONS.get(reason, inline(reason.replace("_", " "), 200))
    return f"{start}: {known}." if known and reason != "unknown_removal_reason" else f"{start}."


def merge_removed_message(loop: Loop, sentence: str) -> str:
    """The merge was given up, and the ticket is in review again."""
    place = link("The pull request", loop.pull_request.url)
    ways = "`/merge` tries again, `/changes <what>` starts a revision"
    return f"**Not merged.** {inline(sentence)} {place} shows the details. {ways}."


def merge_long_wait_message(loop: Loop, checks: Sequence[str]) -> str:
    """A merge that has waited for an hour."""
    place = "in the merge queue" if loop.merging.waits == "queue" else "for auto-merge"
    names = ", ".join(code(inline(name, 100)) for name in checks[:_SHOWN])
    pending = f" Not ended yet: {names}." if names else ""
    pull = link(f"Pull request {loop.pull_request.number}", loop.pull_request.url)
    return f"{pull} has waited for an hour {place}.{pending} `/stop` cancels the merge."


def merge_group_description(sha: str, *, is_verified: bool) -> str:
    """Loopline's status on the head of a merge group."""
    return f"verified at {sha[:7]}" if is_verified else f"{sha[:7]} has not been verified"
