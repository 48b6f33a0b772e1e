"""Rules for merges: what a pull request lacks, the way to its merge, and the outcome.

`/merge` queues `MergePullRequest`. Its performer reads facts and rules, and acts on `plan_merge`: merge, enqueue,
enable auto-merge, or report `MergeHeld`. The outcome of a merge that waits arrives by webhook, or at a deadline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from integrations.events import MergeGroupRequested, MergeHeld, MergeWaits, PullRequestDequeued, TimePassed
from integrations.ports.merge_rules import MergeMethod, MergeRules, MissingPart
from integrations.ports.pull_request import HostCheck, PullRequestFacts
from jobs.loop.commands import CancelMerge, PostComment, SetStatus
from jobs.loop.merge_policy import fill_template
from jobs.loop.merge_state import MergeState
from jobs.loop.state import OPEN, Loop, Stage
from jobs.messages import merging as messages
from jobs.messages.pull_request import CONVENTIONAL_TITLE, find_type, pull_request_title
from jobs.messages.text import inline
from jobs.messages.verdict import STATUS_CONTEXT
from jobs.workflow.decision import Decision
from jobs.workflow.upstream import start_update

LOOK_UP_SECONDS = 900.0
"""Between two reads of a merge that waits on the code host: its webhooks are usually faster."""
LONG_WAIT_SECONDS = 3_600.0
_PASSING = frozenset({"success", "neutral", "skipped"})


@dataclass(frozen=True)
class MergePlan:
    """The next step. `missing` explains `hold`, and why `auto_merge` waits."""

    way: Literal["merge", "queue", "auto_merge", "hold"]
    missing: tuple[MissingPart, ...] = ()
    method: MergeMethod | None = None
    title: str = ""
    body: str = ""
    trailers: tuple[str, ...] = ()

    @property
    def pending_checks(self) -> tuple[str, ...]:
        """Names of the checks that auto-merge waits for."""
        return tuple(part.name for part in self.missing if part.kind == "check_pending")


# --- the plan -------------------------------------------------------------------------------------------------------


def plan_merge(loop: Loop, facts: PullRequestFacts, rules: MergeRules) -> MergePlan:
    """The next step of a merge that a person asked for, by the current state of the pull request."""
    policy = loop.workflow.merge
    missing = () if facts.merged else tuple(find_missing(loop, facts, rules))
    blocking = tuple(part for part in missing if part.required or not loop.merging.insists)
    is_pending = bool(blocking) and all(part.kind == "check_pending" and part.required for part in blocking)
    if facts.queued:
        way: Literal["merge", "queue", "auto_merge", "hold"] = "queue"
    elif is_pending and rules.auto_merge and policy.wait == "use":
        way = "auto_merge"
    elif blocking:
        return MergePlan("hold", blocking)
    else:
        way = "queue" if rules.queue and not facts.merged else "merge"
    return _describe_merge(loop, facts, MergePlan(way, blocking, choose_method(loop, rules)))


def find_missing(loop: Loop, facts: PullRequestFacts, rules: MergeRules) -> Iterator[MissingPart]:
    """The requirements that are not met, in the order in which people meet them. `required` ones hold every merge; on a
    merge without the others a person can insist."""
    sha, url = loop.pull_request.approved_sha, facts.url
    if facts.state == "closed":
        yield MissingPart(kind="closed", url=url)
        return
    if facts.head_sha != sha:
        yield MissingPart(kind="head", name=facts.head_sha[:7], url=url)
        return
    if facts.draft:
        yield MissingPart(kind="draft", url=url)
    if facts.mergeable == "conflict":
        yield MissingPart(kind="conflict", name=facts.base, url=url)
    if facts.behind and rules.up_to_date:
        yield MissingPart(kind="behind", name=facts.base, url=url)
    if not rules.methods:
        yield MissingPart(kind="method", url=url)
    yield from _find_missing_checks(facts, rules)
    yield from _find_missing_reviews(facts, rules)
    open_threads = [thread for thread in facts.threads if not thread.resolved]
    if rules.resolved_threads and open_threads:
        comments = open_threads[0].comments
        place = comments[0].url if comments else url
        yield MissingPart(kind="thread", name=open_threads[0].path, count=len(open_threads), url=place or url)


def _find_missing_checks(facts: PullRequestFacts, rules: MergeRules) -> Iterator[MissingPart]:
    """Checks of the code host that have failed, run, or not been reported. Loopline's own does not count."""
    checks = [check for check in facts.checks if check.name != STATUS_CONTEXT]
    for check in checks:
        if check.conclusion not in _PASSING:
            kind = _name_missing_check(check)
            is_required = check.required or check.name in rules.checks
            yield MissingPart(kind=kind, name=check.name, required=is_required, url=_find_page(check.url, facts.url))
    reported = {check.name for check in checks} | {STATUS_CONTEXT}
    if "checks" in facts.cut:
        if facts.all_checks in {"failure", "pending"} and not any(one.conclusion not in _PASSING for one in checks):
            yield MissingPart(kind="check_unread", required=False, url=facts.url)
        return
    for name in rules.checks:
        if name not in reported:
            yield MissingPart(kind="check_pending", name=name, url=facts.url)


def _find_page(url: str, pull_request: str) -> str:
    """The check's page on the code host, else the pull request, which links it."""
    return url if urlsplit(url).netloc == urlsplit(pull_request).netloc else pull_request


def _name_missing_check(check: HostCheck) -> Literal["check_pending", "check_failed"]:
    return "check_pending" if check.conclusion == "pending" else "check_failed"


def _find_missing_reviews(facts: PullRequestFacts, rules: MergeRules) -> Iterator[MissingPart]:
    """A request for changes holds the merge, whoever made it; that of an app or of an account without write permission
    can be left out."""
    for review in facts.reviews:
        if review.state == "changes_requested":
            counts = review.may_write and not review.is_bot
            yield MissingPart(
                kind="changes_requested", name=review.author, required=counts, url=review.url or facts.url
            )
    approvals = [review for review in facts.reviews if review.state == "approved" and review.may_write]
    lacking = rules.approvals - len(approvals)
    if lacking > 0:
        yield MissingPart(kind="approval", count=lacking, url=facts.url)
    elif facts.review_decision == "review_required":  # of a code owner, or after the last push
        yield MissingPart(kind="other_approval", url=facts.url)


def choose_method(loop: Loop, rules: MergeRules) -> MergeMethod | None:
    """The policy's method if it is allowed, else the first allowed one; None without one."""
    wanted = loop.workflow.merge.method
    if wanted and wanted in rules.methods:
        return wanted
    return rules.methods[0] if rules.methods else None


def _describe_merge(loop: Loop, facts: PullRequestFacts, plan: MergePlan) -> MergePlan:
    """The plan with the message of the merge commit, by the repository's convention."""
    policy, title = loop.workflow.merge, facts.title or pull_request_title(loop)
    described = title.removeprefix(f"{loop.identifier}: ")
    convention = CONVENTIONAL_TITLE.fullmatch(described)
    values = {
        "approver": inline(loop.pull_request.approved_by, 100),
        "identifier": loop.identifier,
        "number": str(facts.number),
        "pull_request": title,
        "summary": loop.candidate.summary,
        "title": convention["text"] if convention else described,
        "type": convention["type"] if convention else find_type(loop),
        "url": loop.ticket.url,
    }
    return replace(
        plan,
        title=fill_template(policy.title_template, values),
        body=fill_template(policy.body, values),
        trailers=tuple(filter(None, (fill_template(trailer, values) for trailer in policy.trailers))),
    )


# --- the outcome ----------------------------------------------------------------------------------------------------


def on_merge_held(loop: Loop, event: MergeHeld) -> Decision:
    """List what is missing, and return to the review. A base branch that has to be merged first is merged."""
    if event.generation != loop.generation or loop.stage is not Stage.MERGING:
        return Decision(loop)
    reason = messages.merge_missing_reason(event.missing)
    held = replace(loop, stage=Stage.REVIEW, reason=reason, merging=MergeState())
    comment = PostComment(body=messages.merge_missing_message(loop, event.missing))
    kinds = {part.kind for part in event.missing}
    if held.workflow.base.update == "never" or not kinds & {"conflict", "behind"}:
        return Decision(held, (comment,))
    return start_update(held, "conflict" if "conflict" in kinds else "behind", comment)


def on_merge_waits(loop: Loop, event: MergeWaits) -> Decision:
    """The pull request is in the merge queue, or has auto-merge enabled: the loop waits for the outcome."""
    if event.generation != loop.generation or loop.stage is not Stage.MERGING:
        return Decision(loop)
    waits = replace(loop.merging, waits=event.way, since=event.at, due_at=event.at + LOOK_UP_SECONDS, reported=False)
    waiting = replace(loop, reason=messages.merge_waits_reason(event.way), merging=waits)
    return Decision(waiting, (PostComment(body=messages.merge_waits_message(loop, event.way, event.pending)),))


def on_dequeued(loop: Loop, event: PullRequestDequeued) -> Decision:
    """The code host gave the merge up: back to the review, with its reason."""
    if event.number != loop.pull_request.number or not loop.merging.waits:
        return Decision(loop)
    return _return_to_review(loop, event.reason)


def on_time_passed(loop: Loop, event: TimePassed) -> Decision:
    """Look a waiting merge up."""
    state, facts = loop.merging, event.facts
    if not state.waits:
        return Decision(replace(loop, merging=replace(state, due_at=0.0)))
    if facts and not facts.queued and not facts.auto_merge:
        return _return_to_review(loop, "")
    again = replace(state, due_at=event.at + LOOK_UP_SECONDS)
    if state.reported or event.at - state.since < LONG_WAIT_SECONDS:
        return Decision(replace(loop, merging=again))
    pending = [check.name for check in facts.checks if check.conclusion == "pending"] if facts else []
    comment = PostComment(body=messages.merge_long_wait_message(loop, tuple(pending)))
    return Decision(replace(loop, merging=replace(again, reported=True)), (comment,))


def _return_to_review(loop: Loop, reason: str) -> Decision:
    sentence = messages.merge_removed_reason(loop.merging.waits, reason)
    back = replace(loop, stage=Stage.REVIEW, reason=sentence, merging=MergeState())
    return Decision(back, (PostComment(body=messages.merge_removed_message(loop, sentence)),))


def on_merge_group_requested(loop: Loop, event: MergeGroupRequested) -> Decision:
    """Report Loopline's verdict on the head of a merge group: where it is a required check, the queue waits for it."""
    if event.number != loop.pull_request.number or loop.stage not in OPEN:
        return Decision(loop)
    is_verified = loop.candidate.verdict is not None and loop.candidate.head_sha == loop.pull_request.pushed_sha
    status = SetStatus(
        repository=loop.workspace.repository,
        sha=event.head_sha,
        state="success" if is_verified else "failure",
        description=messages.merge_group_description(loop.pull_request.pushed_sha, is_verified=is_verified),
    )
    return Decision(loop, (status,))


def release_merge(before: Loop, decision: Decision) -> Decision:
    """The decision, which also revokes a merge that the code host would still perform: a loop that has left the merge
    does not want it any more."""
    after = decision.loop
    if after.stage is Stage.MERGING or not (before.merging.waits or after.merging.waits):
        return decision
    after = replace(after, merging=MergeState())
    if after.stage is Stage.DONE:
        return Decision(after, decision.commands)
    cancel = CancelMerge(repository=before.workspace.repository, number=before.pull_request.number)
    return Decision(after, (cancel, *decision.commands))
