"""Reviews and their threads in the GraphQL endpoint. A thread is its first comment with the replies to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from integrations.standins.github.graphql.objects import Context, Shape, actor_shape, commit_id, connection, paged
from integrations.standins.github.hub import Repository
from integrations.standins.github.protection import decisive_reviews, is_outdated, may_write
from integrations.standins.github.records import Pull, Review, ReviewComment
from integrations.standins.github.shapes.pulls import addresses
from integrations.standins.github.shapes.view import node_id


def reviews(context: Context, pull: Pull) -> Callable[..., Shape]:
    """The value of `PullRequest.reviews`."""

    def resolve(_: Any, states: Sequence[str] = (), author: str = "", **page: Any) -> Shape:
        found = context.hub.store.all(Review, repository=pull.repository, number=pull.number)
        shown = [one for one in found if one.state != "PENDING" or one.author == context.actor.login]
        shown = [one for one in shown if (not states or one.state in states) and author in ("", one.author)]
        bounds = page.get("first"), page.get("last"), page.get("after")
        return connection("reviews", [review(context, pull, one) for one in shown], *bounds)

    return resolve


def latest_reviews(context: Context, repository: Repository, pull: Pull) -> Callable[..., Shape]:
    """The value of `PullRequest.latestOpinionatedReviews`: the decisive review of each reviewer."""

    def resolve(_: Any, writersOnly: bool = False, **page: Any) -> Shape:
        found = decisive_reviews(context.hub, pull).values()
        shown = [one for one in found if not writersOnly or may_write(context.hub, repository, one.author)]
        bounds = page.get("first"), page.get("last"), page.get("after")
        return connection("latestOpinionatedReviews", [review(context, pull, one) for one in shown], *bounds)

    return resolve


def review(context: Context, pull: Pull, one: Review) -> Shape:
    """`PullRequestReview`."""
    return {
        "id": node_id("PRR", one.id),
        "databaseId": one.id,
        "fullDatabaseId": str(one.id),
        "author": actor_shape(context, one.author),
        "authorCanPushToRepository": may_write(context.hub, context.hub.repository(pull.repository), one.author),
        "body": one.body,
        "state": one.state,
        "commit": commit_id(one.commit_id),
        "submittedAt": one.submitted_at or None,
        "url": f"{addresses(context.view, pull)[2]}#pullrequestreview-{one.id}",
    }


def list_threads(context: Context, one: Repository, pull: Pull) -> list[Shape]:
    """All threads of submitted reviews."""
    found = context.hub.store.all(ReviewComment, repository=pull.repository, number=pull.number)
    shown = [comment for comment in found if _is_submitted(context, comment)]
    replies = {root.id: [root, *(other for other in shown if other.in_reply_to == root.id)] for root in shown}
    return [review_thread(context, one, pull, root, replies[root.id]) for root in shown if not root.in_reply_to]


def _is_submitted(context: Context, comment: ReviewComment) -> bool:
    written = context.hub.store.get(Review, comment.review_id)
    return written is not None and written.state != "PENDING"


def review_thread(
    context: Context, one: Repository, pull: Pull, root: ReviewComment, comments: Sequence[ReviewComment]
) -> Shape:
    """`PullRequestReviewThread`; its id is made of that of its first comment."""
    is_old = is_outdated(one, pull, root)
    return {
        "id": node_id("PRRT", root.id),
        "path": root.path,
        "line": None if is_old else root.line,
        "startLine": None,
        "originalLine": root.line,
        "isResolved": bool(root.resolved_by),
        "isOutdated": is_old,
        "isCollapsed": bool(root.resolved_by),
        "resolvedBy": actor_shape(context, root.resolved_by) if root.resolved_by else None,
        "comments": paged("comments", lambda: [_comment(context, pull, comment) for comment in comments]),
    }


def _comment(context: Context, pull: Pull, one: ReviewComment) -> Shape:
    """`PullRequestReviewComment`."""
    replied = context.hub.store.get(ReviewComment, one.in_reply_to) if one.in_reply_to else None
    written = context.hub.store.get(Review, one.review_id)
    return {
        "id": node_id("PRRC", one.id),
        "databaseId": one.id,
        "fullDatabaseId": str(one.id),
        "author": actor_shape(context, one.author),
        "body": one.body,
        "createdAt": one.created_at,
        "path": one.path,
        "line": one.line,
        "diffHunk": one.diff_hunk,
        "url": f"{addresses(context.view, pull)[2]}#discussion_r{one.id}",
        "pullRequestReview": review(context, pull, written) if written else None,
        "replyTo": _comment(context, pull, replied) if replied else None,
        "outdated": False,
        "viewerDidAuthor": one.author == context.actor.login,
    }
