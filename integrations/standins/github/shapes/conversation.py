"""Shapes of comments and reviews."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.records import IssueComment, Pull, Review, ReviewComment
from integrations.standins.github.shapes.people import association, user
from integrations.standins.github.shapes.pulls import addresses
from integrations.standins.github.shapes.view import View, node_id


def issue_comment(view: View, pull: Pull, comment: IssueComment) -> dict[str, Any]:
    """`issue-comment`."""
    _, issue, page = addresses(view, pull)
    return {
        "url": f"{view.repository_url(pull.repository)}/issues/comments/{comment.id}",
        "html_url": f"{page}#issuecomment-{comment.id}",
        "issue_url": issue,
        "id": comment.id,
        "node_id": node_id("IC", comment.id),
        "user": user(view, comment.author),
        "created_at": comment.created_at,
        "updated_at": comment.updated_at,
        "body": comment.body,
        "author_association": association(view, pull, comment.author),
        "reactions": _reactions(f"{view.repository_url(pull.repository)}/issues/comments/{comment.id}"),
        "performed_via_github_app": None,
    }


def review(view: View, pull: Pull, one: Review) -> dict[str, Any]:
    """`pull-request-review`; one that waits to be submitted has no `submitted_at`."""
    url, _, page = addresses(view, pull)
    html = f"{page}#pullrequestreview-{one.id}"
    submitted = {"submitted_at": one.submitted_at} if one.submitted_at else {}
    return {
        "id": one.id,
        "node_id": node_id("PRR", one.id),
        "user": user(view, one.author),
        "body": one.body,
        "state": one.state,
        "html_url": html,
        "pull_request_url": url,
        "author_association": association(view, pull, one.author),
        "_links": {"html": {"href": html}, "pull_request": {"href": url}},
        **submitted,
        "commit_id": one.commit_id,
    }


def webhook_review(view: View, pull: Pull, one: Review) -> dict[str, Any]:
    """The review inside a webhook, where GitHub writes its state in lower case."""
    return {**review(view, pull, one), "state": one.state.lower(), "updated_at": one.submitted_at or None}


def review_comment(view: View, pull: Pull, comment: ReviewComment) -> dict[str, Any]:
    """`pull-request-review-comment`, which fits `review-comment` too."""
    pull_url, _, page = addresses(view, pull)
    url = f"{view.repository_url(pull.repository)}/pulls/comments/{comment.id}"
    html = f"{page}#discussion_r{comment.id}"
    links = {"self": {"href": url}, "html": {"href": html}, "pull_request": {"href": pull_url}}
    reply = {"in_reply_to_id": comment.in_reply_to_id} if comment.in_reply_to_id else {}
    return {
        "url": url,
        "pull_request_review_id": comment.review_id,
        "id": comment.id,
        "node_id": node_id("PRRC", comment.id),
        "diff_hunk": comment.diff_hunk,
        "path": comment.path,
        "position": comment.position,
        "original_position": comment.position or 1,
        "commit_id": comment.commit_id,
        "original_commit_id": comment.commit_id,
        "user": user(view, comment.author),
        "body": comment.body,
        "created_at": comment.created_at,
        "updated_at": comment.updated_at,
        "html_url": html,
        "pull_request_url": pull_url,
        "author_association": association(view, pull, comment.author),
        "_links": links,
        "line": comment.line,
        "original_line": comment.line,
        "start_line": comment.start_line,
        "original_start_line": comment.start_line,
        "start_side": comment.start_side,
        "side": comment.side,
        "subject_type": "line",
        "reactions": _reactions(url),
        **reply,
    }


def _reactions(url: str) -> dict[str, Any]:
    kinds = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(kinds, 0)}
