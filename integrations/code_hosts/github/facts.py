"""The facts of a pull request, from one GraphQL query: state, mergeability, checks, reviews, threads.

Called by `code_host`. Lists are read up to a hundred entries; one that is longer, or that the credentials cannot read,
is named in `cut`.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError

from integrations.code_hosts.github.api import Grant
from integrations.code_hosts.github.graphql import GraphQL
from integrations.code_hosts.github.graphql_payloads import (
    CommentNode,
    ContextNode,
    PullRequestNode,
    ReviewNode,
    Reviews,
    RollupNode,
    ThreadNode,
)
from integrations.code_hosts.github.payloads import describe_error
from integrations.errors import NotFound, Rejected
from integrations.events import ReviewState
from integrations.ports.pull_request import (
    CheckConclusion,
    CombinedChecks,
    HostCheck,
    HostReview,
    Mergeable,
    PullRequestFacts,
    ReviewDecision,
    ReviewThread,
    ThreadComment,
)
from integrations.texts import cut
from integrations.values import NO_COMMIT

READ = (("checks", "read"), ("contents", "read"), ("pull_requests", "read"), ("statuses", "read"))
"""Permissions for the query. A fine-grained personal token cannot have that for checks: its check runs are missing."""
_OPTIONAL = ("compare", "statusCheckRollup")
_TEXT = 8_000  # characters of a comment or review
_BODY = 65_536
_CONCLUSIONS: dict[str, CheckConclusion] = {
    "SUCCESS": "success",
    "NEUTRAL": "neutral",
    "SKIPPED": "skipped",
    "CANCELLED": "cancelled",
    "STALE": "cancelled",
    "TIMED_OUT": "timed_out",
    "ACTION_REQUIRED": "action",
    "PENDING": "pending",
    "EXPECTED": "pending",
}
"""Of check runs and commit statuses; every other value counts as a failure."""
_MERGEABLE: dict[str, Mergeable] = {"MERGEABLE": "yes", "CONFLICTING": "conflict"}
_DECISIONS: dict[str, ReviewDecision] = {
    "APPROVED": "approved",
    "CHANGES_REQUESTED": "changes_requested",
    "REVIEW_REQUIRED": "review_required",
}
_STATES: dict[str, CombinedChecks] = {"SUCCESS": "success", "PENDING": "pending", "EXPECTED": "pending"}
_REVIEW_STATES: dict[str, ReviewState] = {
    "APPROVED": "approved",
    "CHANGES_REQUESTED": "changes_requested",
    "DISMISSED": "dismissed",
}


def fetch_facts(graph: GraphQL, repository: str, number: int) -> PullRequestFacts:
    """The facts of the pull request. Raises `NotFound`, `Forbidden`, `Unavailable`, or `Rejected` for a reply in
    another form."""
    owner, _, name = repository.partition("/")
    variables = {"owner": owner, "name": name, "number": number, "head": f"refs/pull/{number}/head"}
    answer = graph.run("FetchFacts", Grant(repository, READ), variables, _OPTIONAL)
    found = (answer.data.get("repository") or {}).get("pullRequest")
    if found is None:
        raise NotFound(f"GitHub has no pull request {number} in {repository}")
    try:
        pull = PullRequestNode.model_validate(found)
    except ValidationError as error:
        raise Rejected(f"GitHub's facts of pull request {number} are invalid: {describe_error(error)}") from None
    return _to_facts(pull, unread_checks="statusCheckRollup" in answer.unread)


def _to_facts(pull: PullRequestNode, *, unread_checks: bool) -> PullRequestFacts:
    rollup = _find_rollup(pull)
    reviews = pull.latest_opinionated_reviews or Reviews()
    cuts = {
        "checks": unread_checks or rollup.contexts.page_info.is_cut,
        "reviews": reviews.page_info.is_cut,
        "threads": pull.review_threads.page_info.is_cut,
        "comments": any(thread.comments.page_info.is_cut for thread in pull.review_threads.nodes),
    }
    base = pull.base_ref.target if pull.base_ref else None
    return PullRequestFacts(
        number=pull.number,
        url=pull.url,
        state="open" if pull.state == "OPEN" else "closed",
        merged=pull.state == "MERGED",
        draft=pull.is_draft,
        branch="" if pull.is_cross_repository else pull.head_ref_name,
        head_sha=pull.head_ref_oid,
        base=pull.base_ref_name,
        base_sha=base.oid if base else pull.base_ref_oid,
        title=pull.title,
        body=cut(pull.body, _BODY),
        author=pull.author.name if pull.author else "",
        mergeable=_MERGEABLE.get(pull.mergeable, "unknown"),
        blocked=pull.merge_state_status == "BLOCKED",
        behind=_is_behind(pull),
        must_be_current=pull.merge_state_status == "BEHIND",
        review_decision=_DECISIONS.get(pull.review_decision, ""),
        checks=tuple(_to_check(one) for one in rollup.contexts.nodes),
        all_checks=_STATES.get(rollup.state, "failure" if rollup.state else ""),
        reviews=tuple(_to_review(one) for one in reviews.nodes if one.state != "PENDING"),
        threads=tuple(_to_thread(one) for one in pull.review_threads.nodes),
        queued=pull.is_in_merge_queue,
        auto_merge=pull.auto_merge_request is not None,
        cut=tuple(name for name, is_cut in cuts.items() if is_cut),
    )


def _find_rollup(pull: PullRequestNode) -> RollupNode:
    """The checks of the head. The last commit of the list can be another one right after a push."""
    heads = (node.commit for node in pull.commits.nodes if node.commit.oid == pull.head_ref_oid)
    return next((head.status_check_rollup for head in heads if head.status_check_rollup), RollupNode())


def _is_behind(pull: PullRequestNode) -> bool:
    compared = pull.base_ref.compare if pull.base_ref else None
    return pull.merge_state_status == "BEHIND" or (compared is not None and compared.behind_by > 0)


def _to_check(one: ContextNode) -> HostCheck:
    if one.typename == "StatusContext":
        return HostCheck(
            name=one.context,
            conclusion=_CONCLUSIONS.get(one.state, "failure"),
            required=one.is_required,
            kind="status",
            url=one.target_url,
            summary=one.description,
        )
    run = one.check_suite.workflow_run if one.check_suite else None
    group = run.workflow if run else one.check_suite.app if one.check_suite else None
    return HostCheck(
        name=one.name,
        conclusion=_CONCLUSIONS.get(one.conclusion, "failure") if one.status == "COMPLETED" else "pending",
        required=one.is_required,
        kind="job" if run else "check_run",
        id=str(one.database_id or ""),
        url=one.details_url or one.url,
        group=group.name if group else "",
        summary=one.title,
    )


def _to_review(one: ReviewNode) -> HostReview:
    return HostReview(
        id=one.full_database_id,
        author=one.author.name if one.author else "",
        state=_REVIEW_STATES.get(one.state, "commented"),
        head_sha=one.commit.oid if one.commit else NO_COMMIT,
        at=_parse_time(one.submitted_at),
        body=cut(one.body, _TEXT),
        url=one.url,
        may_write=one.author_can_push_to_repository,
        is_bot=bool(one.author and one.author.is_bot),
    )


def _to_thread(one: ThreadNode) -> ReviewThread:
    return ReviewThread(
        id=one.id,
        path=one.path,
        line=one.line or one.original_line or 0,
        start_line=one.start_line or 0,
        resolved=one.is_resolved,
        outdated=one.is_outdated,
        comments=tuple(_to_comment(comment) for comment in one.comments.nodes),
    )


def _to_comment(one: CommentNode) -> ThreadComment:
    """GitHub shows the permission of a review's author only; each comment belongs to a review of its author."""
    review, author = one.pull_request_review, one.author
    is_same = review is not None and review.author is not None and author is not None
    is_same = is_same and review.author.login == author.login  # type: ignore[union-attr]
    return ThreadComment(
        id=one.full_database_id,
        author=author.name if author else "",
        body=cut(one.body, _TEXT),
        at=_parse_time(one.created_at),
        is_own=one.viewer_did_author,
        may_write=bool(review and is_same and review.author_can_push_to_repository),
        is_bot=bool(author and author.is_bot),
        review_id=review.full_database_id if review else "",
        url=one.url,
    )


def _parse_time(text: str) -> float:
    """Unix seconds, 0 where GitHub sends no valid time."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
