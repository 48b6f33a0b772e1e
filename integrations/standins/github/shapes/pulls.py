"""Shapes of pull requests."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.changes import changes, mergeable
from integrations.standins.github.hub import Repository
from integrations.standins.github.protection import merge_state
from integrations.standins.github.records import IssueComment, Pull, ReviewComment
from integrations.standins.github.shapes.people import association, user
from integrations.standins.github.shapes.repositories import repository as repository_shape
from integrations.standins.github.shapes.view import View, fields_of, hrefs, node_id, reactions


def _shared(view: View, pull: Pull) -> dict[str, Any]:
    """The values that a pull request has in both of its forms, `pull-request` and `issue`."""
    _, issue, page = addresses(view, pull)
    return {
        **fields_of(pull, "id", "number", "state", "title", "body", "created_at", "updated_at", "closed_at"),
        "node_id": node_id("PR", pull.id),
        "html_url": page,
        "comments_url": f"{issue}/comments",
        "user": user(view, pull.author),
        "labels": [],
        "assignees": [],
        **dict.fromkeys(("milestone", "active_lock_reason", "assignee")),
        "locked": False,
        "draft": pull.draft,
        "author_association": association(view, pull, pull.author),
    }


def pull_request_simple(view: View, one: Repository, pull: Pull) -> dict[str, Any]:
    """`pull-request-simple`, as in lists."""
    url, issue, page = addresses(view, pull)
    links = {
        "comments": f"{issue}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{view.repository_url(one.name)}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{view.repository_url(one.name)}/statuses/{pull.head_sha}",
    }
    return {
        **_shared(view, pull),
        "url": url,
        **{f"{kind}_url": f"{page}.{kind}" for kind in ("diff", "patch")},
        "issue_url": issue,
        **{f"{name}_url": address for name, address in links.items()},
        **fields_of(pull, "merged_at", "merge_commit_sha"),
        "requested_reviewers": [],
        "requested_teams": [],
        "head": _end(view, one, pull.branch, pull.head_sha),
        "base": _end(view, one, pull.base, pull.base_sha),
        "_links": hrefs(self=url, html=page, issue=issue, **links),
        "auto_merge": _auto_merge(view, pull),
    }


def pull_request(view: View, one: Repository, pull: Pull, computed: bool = True) -> dict[str, Any]:
    """`pull-request`. `computed` False leaves mergeability open, as GitHub does right after a change."""
    found = changes(one, pull)
    store = view.hub.store
    merges = mergeable(one, pull) if computed else None
    return {
        **pull_request_simple(view, one, pull),
        "merged": pull.merged_at is not None,
        **dict.fromkeys(("mergeable", "rebaseable"), merges),
        "mergeable_state": merge_state(view.hub, one, pull, merges).lower(),
        "merged_by": user(view, pull.merged_by) if pull.merged_by else None,
        "comments": len(store.all(IssueComment, repository=one.name, number=pull.number)),
        "review_comments": len(store.all(ReviewComment, repository=one.name, number=pull.number)),
        "maintainer_can_modify": False,
        "commits": len(found.commits),
        "additions": found.additions,
        "deletions": found.deletions,
        "changed_files": len(found.files),
    }


def addresses(view: View, pull: Pull) -> tuple[str, str, str]:
    """The addresses as a pull request in the API, as an issue in the API, and of the page."""
    url = view.repository_url(pull.repository)
    page = f"{view.base}/{pull.repository}/pull/{pull.number}"
    return f"{url}/pulls/{pull.number}", f"{url}/issues/{pull.number}", page


def issue(view: View, pull: Pull) -> dict[str, Any]:
    """`issue` of a pull request, as in the webhook of a comment."""
    url, address, page = addresses(view, pull)
    comments = view.hub.store.all(IssueComment, repository=pull.repository, number=pull.number)
    links = {"url": url, "html_url": page, "diff_url": f"{page}.diff", "patch_url": f"{page}.patch"}
    return {
        **_shared(view, pull),
        "url": address,
        "repository_url": view.repository_url(pull.repository),
        "labels_url": f"{address}/labels{{/name}}",
        **{f"{part}_url": f"{address}/{part}" for part in ("events", "timeline")},
        "comments": len(comments),
        "pull_request": {**links, "merged_at": pull.merged_at},
        "reactions": reactions(address),
        "state_reason": None,
    }


def _end(view: View, one: Repository, branch: str, sha: str) -> dict[str, Any]:
    return {
        "label": f"{one.owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": user(view, one.owner),
        "repo": repository_shape(view, one),
    }


def _auto_merge(view: View, pull: Pull) -> dict[str, Any] | None:
    """`auto-merge`."""
    if pull.auto_merge is None:
        return None
    by = user(view, pull.auto_merge["enabled_by"])
    return {
        "enabled_by": by,
        **{key: pull.auto_merge[key] for key in ("merge_method", "commit_title", "commit_message")},
    }
