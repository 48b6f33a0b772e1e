"""Shapes of pull requests, their files and commits."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from integrations.standins.github.changes import changes, mergeable
from integrations.standins.github.diffs import FileDiff
from integrations.standins.github.hub import Repository
from integrations.standins.github.records import IssueComment, Pull, ReviewComment
from integrations.standins.github.shapes.people import association, user
from integrations.standins.github.shapes.repositories import repository as repository_shape
from integrations.standins.github.shapes.view import View, node_id
from integrations.standins.github.verdicts import combined_state


def pull_request_simple(view: View, one: Repository, pull: Pull) -> dict[str, Any]:
    """`pull-request-simple`, as in lists."""
    url, issue, page = addresses(view, pull)
    statuses = f"{view.repository_url(one.name)}/statuses/{pull.head_sha}"
    comments = f"{view.repository_url(one.name)}/pulls/comments{{/number}}"
    links = {
        "self": url,
        "html": page,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": comments,
        "commits": f"{url}/commits",
        "statuses": statuses,
    }
    return {
        "url": url,
        "id": pull.id,
        "node_id": node_id("PR", pull.id),
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": issue,
        "commits_url": f"{url}/commits",
        "review_comments_url": f"{url}/comments",
        "review_comment_url": comments,
        "comments_url": f"{issue}/comments",
        "statuses_url": statuses,
        "number": pull.number,
        "state": pull.state,
        "locked": False,
        "title": pull.title,
        "user": user(view, pull.author),
        "body": pull.body,
        "labels": [],
        "milestone": None,
        "active_lock_reason": None,
        "created_at": pull.created_at,
        "updated_at": pull.updated_at,
        "closed_at": pull.closed_at,
        "merged_at": pull.merged_at,
        "merge_commit_sha": pull.merge_commit_sha,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "head": _end(view, one, pull.branch, pull.head_sha),
        "base": _end(view, one, pull.base, pull.base_sha),
        "_links": {name: {"href": href} for name, href in links.items()},
        "author_association": association(view, pull, pull.author),
        "auto_merge": None,
        "draft": pull.draft,
    }


def pull_request(view: View, one: Repository, pull: Pull, computed: bool = True) -> dict[str, Any]:
    """`pull-request`. `computed` False leaves mergeability open, as GitHub does right after a change."""
    found = changes(one, pull)
    store = view.hub.store
    merges = mergeable(one, pull) if computed else None
    return {
        **pull_request_simple(view, one, pull),
        "merged": pull.merged_at is not None,
        "mergeable": merges,
        "rebaseable": merges,
        "mergeable_state": _mergeable_state(view, pull, merges),
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
    """The pull request in the API, as an issue in the API, and its page."""
    url = view.repository_url(pull.repository)
    page = f"{view.base}/{pull.repository}/pull/{pull.number}"
    return f"{url}/pulls/{pull.number}", f"{url}/issues/{pull.number}", page


def pull_request_minimal(view: View, one: Repository, pull: Pull) -> dict[str, Any]:
    """`pull-request-minimal`, as inside check runs."""
    where = {"id": one.id, "url": view.repository_url(one.name), "name": one.name.split("/")[1]}
    return {
        "id": pull.id,
        "number": pull.number,
        "url": addresses(view, pull)[0],
        "head": {"ref": pull.branch, "sha": pull.head_sha, "repo": where},
        "base": {"ref": pull.base, "sha": pull.base_sha, "repo": where},
    }


def issue(view: View, pull: Pull) -> dict[str, Any]:
    """`issue` of a pull request, as in the webhook about a comment."""
    url, address, page = addresses(view, pull)
    comments = view.hub.store.all(IssueComment, repository=pull.repository, number=pull.number)
    links = {"url": url, "html_url": page, "diff_url": f"{page}.diff", "patch_url": f"{page}.patch"}
    reactions = dict.fromkeys(("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"), 0)
    return {
        "url": address,
        "repository_url": view.repository_url(pull.repository),
        "labels_url": f"{address}/labels{{/name}}",
        "comments_url": f"{address}/comments",
        "events_url": f"{address}/events",
        "timeline_url": f"{address}/timeline",
        "html_url": page,
        "id": pull.id,
        "node_id": node_id("PR", pull.id),
        "number": pull.number,
        "title": pull.title,
        "user": user(view, pull.author),
        "labels": [],
        "state": pull.state,
        "locked": False,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": len(comments),
        "created_at": pull.created_at,
        "updated_at": pull.updated_at,
        "closed_at": pull.closed_at,
        "author_association": association(view, pull, pull.author),
        "active_lock_reason": None,
        "draft": pull.draft,
        "pull_request": {**links, "merged_at": pull.merged_at},
        "body": pull.body,
        "reactions": {"url": f"{address}/reactions", "total_count": 0, **reactions},
        "state_reason": None,
    }


def diff_entry(view: View, one: Repository, sha: str, file: FileDiff) -> dict[str, Any]:
    """`diff-entry`."""
    path = quote(file.path)
    renamed = {"previous_filename": file.previous_path} if file.previous_path else {}
    patch = {"patch": file.patch} if file.lines else {}
    return {
        "sha": file.sha,
        "filename": file.path,
        "status": file.status,
        "additions": file.additions,
        "deletions": file.deletions,
        "changes": file.additions + file.deletions,
        "blob_url": f"{view.base}/{one.name}/blob/{sha}/{path}",
        "raw_url": f"{view.base}/{one.name}/raw/{sha}/{path}",
        "contents_url": f"{view.repository_url(one.name)}/contents/{path}?ref={sha}",
        **patch,
        **renamed,
    }


def _end(view: View, one: Repository, branch: str, sha: str) -> dict[str, Any]:
    return {
        "label": f"{one.owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": user(view, one.owner),
        "repo": repository_shape(view, one),
    }


def _mergeable_state(view: View, pull: Pull, merges: bool | None) -> str:
    if merges is None:
        return "unknown"
    if not merges:
        return "dirty"
    if pull.draft:
        return "draft"
    return "clean" if combined_state(view.hub.store, pull.repository, pull.head_sha) != "failure" else "unstable"
