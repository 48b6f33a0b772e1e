"""Shapes of comments and reviews."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.records import IssueComment, Pull, Review, ReviewComment
from integrations.standins.github.shapes.people import association, user
from integrations.standins.github.shapes.pulls import addresses
from integrations.standins.github.shapes.view import View, node_id, reactions


def _shared(view: View, pull: Pull, kind: str, one: IssueComment | Review | ReviewComment) -> dict[str, Any]:
    """The values of everything that a person writes."""
    return {
        "id": one.id,
        "node_id": node_id(kind, one.id),
        "user": user(view, one.author),
        "body": one.body,
        "author_association": association(view, pull, one.author),
    }


def issue_comment(view: View, pull: Pull, comment: IssueComment) -> dict[str, Any]:
    """`issue-comment`."""
    _, issue, page = addresses(view, pull)
    url = f"{view.repository_url(pull.repository)}/issues/comments/{comment.id}"
    return {
        **_shared(view, pull, "IC", comment),
        "url": url,
        "html_url": f"{page}#issuecomment-{comment.id}",
        "issue_url": issue,
        "created_at": comment.created_at,
        "updated_at": comment.created_at,
        "reactions": reactions(url),
        "performed_via_github_app": None,
    }


def review(view: View, pull: Pull, one: Review) -> dict[str, Any]:
    """`pull-request-review`; a pending one has no `submitted_at`."""
    url, _, page = addresses(view, pull)
    html = f"{page}#pullrequestreview-{one.id}"
    submitted = {"submitted_at": one.submitted_at} if one.submitted_at else {}
    return {
        **_shared(view, pull, "PRR", one),
        "state": one.state,
        "html_url": html,
        "pull_request_url": url,
        "_links": {"html": {"href": html}, "pull_request": {"href": url}},
        **submitted,
        "commit_id": one.commit_id,
    }


def webhook_review(view: View, pull: Pull, one: Review) -> dict[str, Any]:
    """The review in a webhook, where GitHub writes its state in lower case."""
    return {**review(view, pull, one), "state": one.state.lower(), "updated_at": one.submitted_at or None}


def review_comment(view: View, pull: Pull, comment: ReviewComment) -> dict[str, Any]:
    """`pull-request-review-comment`, which fits `review-comment` too."""
    pull_url, _, page = addresses(view, pull)
    url = f"{view.repository_url(pull.repository)}/pulls/comments/{comment.id}"
    html = f"{page}#discussion_r{comment.id}"
    links = {"self": {"href": url}, "html": {"href": html}, "pull_request": {"href": pull_url}}
    return {
        **_shared(view, pull, "PRRC", comment),
        "url": url,
        "pull_request_review_id": comment.review_id,
        "diff_hunk": comment.diff_hunk,
        "path": comment.path,
        **dict.fromkeys(("position", "original_position"), comment.position),
        **dict.fromkeys(("line", "original_line"), comment.line),
        **dict.fromkeys(("start_line", "original_start_line", "start_side")),
        **dict.fromkeys(("commit_id", "original_commit_id"), comment.commit_id),
        **dict.fromkeys(("created_at", "updated_at"), comment.created_at),
        "html_url": html,
        "pull_request_url": pull_url,
        "_links": links,
        "side": "RIGHT",
        "subject_type": "line",
        "reactions": reactions(url),
    }
