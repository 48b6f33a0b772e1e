"""Repositories and pull requests in the GraphQL endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.standins.github.changes import changes, mergeable
from integrations.standins.github.graphql.checks import rollup
from integrations.standins.github.graphql.errors import refuse
from integrations.standins.github.graphql.objects import Context, Shape, actor_shape, commit_id, need, paged
from integrations.standins.github.graphql.reviews import latest_reviews, list_threads, reviews
from integrations.standins.github.hub import Repository
from integrations.standins.github.merge_queue import find_entry, list_entries
from integrations.standins.github.protection import merge_state, protection_of, review_decision
from integrations.standins.github.records import Pull, QueueEntry
from integrations.standins.github.shapes.pulls import addresses
from integrations.standins.github.shapes.view import node_id


def find_repository(context: Context, owner: str, name: str, followRenames: bool = True) -> Shape | None:
    """`Query.repository`."""
    found = context.hub.find(f"{owner}/{name}")
    if found is None or context.actor.role(found.name, found.private) == "none":
        raise refuse("NOT_FOUND", f"Could not resolve to a Repository with the name '{owner}/{name}'.")
    return repository(context, found)


QUERIES: dict[str, Callable[..., Any]] = {"repository": find_repository}


def repository(context: Context, one: Repository) -> Shape:
    """`Repository`."""
    methods = one.seeded.merge_methods

    def find_pull(_: Any, number: int) -> Shape:
        need(context, "pull_requests:read")
        for pull in context.hub.store.all(Pull, repository=one.name, number=number):
            return pull_request(context, one, pull)
        raise refuse("NOT_FOUND", f"Could not resolve to a PullRequest with the number of {number}.")

    def find_ref(_: Any, qualifiedName: str) -> Shape | None:
        return _ref(one, qualifiedName.removeprefix("refs/heads/"))

    return {
        "id": node_id("R", one.id),
        "databaseId": one.id,
        "nameWithOwner": one.name,
        "url": f"{context.view.base}/{one.name}",
        "isArchived": one.seeded.archived,
        "autoMergeAllowed": one.seeded.allow_auto_merge,
        "mergeCommitAllowed": "merge" in methods,
        "rebaseMergeAllowed": "rebase" in methods,
        "squashMergeAllowed": "squash" in methods,
        "pullRequest": find_pull,
        "ref": find_ref,
    }


def _ref(one: Repository, branch: str) -> Shape | None:
    """`Ref`, with the rules of its classic protection, which also readers see here."""
    sha, classic = one.git.head(branch), one.seeded.protection
    if sha is None:
        return None
    rule = None
    if classic is not None and branch == one.seeded.default_branch:
        rule = {
            "pattern": branch,
            "requiredApprovingReviewCount": classic.required_approving_review_count,
            "requiredStatusCheckContexts": list(classic.contexts),
            "requiresCodeOwnerReviews": False,
            "requiresConversationResolution": classic.required_conversation_resolution,
            "requiresLinearHistory": classic.required_linear_history,
            "requiresSignatures": False,
        }
    name = f"{one.id}:refs/heads/{branch}"

    def compare(_: Any, headRef: str) -> Shape:
        head = one.git.head(headRef) or one.git.sha_of(headRef)
        if head is None:
            raise refuse("NOT_FOUND", f"Could not resolve to a Ref with the name of '{headRef}'.")
        missing, added = len(one.git.commits(head, sha)), len(one.git.commits(sha, head))
        return {"id": node_id("CMP", f"{sha}:{head}"), "aheadBy": added, "behindBy": missing}

    known = {"id": node_id("REF", name), "name": branch, "target": commit_id(sha)}
    return {**known, "compare": compare, "refUpdateRule": rule}


def pull_request(context: Context, one: Repository, pull: Pull) -> Shape:
    """`PullRequest`."""
    hub = context.hub
    merges = mergeable(one, pull)
    found = changes(one, pull)
    commits = [{"id": node_id("PRC", sha.sha), "commit": _commit(context, one, sha.sha)} for sha in found.commits]
    entry = find_entry(hub.store, pull)
    return {
        "id": node_id("PR", pull.id),
        "databaseId": pull.id,
        "number": pull.number,
        "url": addresses(context.view, pull)[2],
        "title": pull.title,
        "body": pull.body or "",
        "author": actor_shape(context, pull.author),
        "state": "MERGED" if pull.merged_at else pull.state.upper(),
        "merged": pull.merged_at is not None,
        "mergedAt": pull.merged_at,
        "mergedBy": actor_shape(context, pull.merged_by) if pull.merged_by else None,
        "mergeCommit": commit_id(pull.merge_commit_sha) if pull.merge_commit_sha else None,
        "isDraft": pull.draft,
        "headRefName": pull.branch,
        "headRefOid": pull.head_sha,
        "headRef": lambda _: _ref(one, pull.branch),
        "isCrossRepository": False,
        "headRepository": lambda _: repository(context, one),
        "baseRefName": pull.base,
        "baseRefOid": pull.base_sha,
        "baseRef": lambda _: _ref(one, pull.base),
        "mergeable": {True: "MERGEABLE", False: "CONFLICTING", None: "UNKNOWN"}[merges],
        "mergeStateStatus": lambda _: merge_state(hub, one, pull, merges),
        "reviewDecision": lambda _: review_decision(hub, one, pull),
        "reviews": reviews(context, pull),
        "latestOpinionatedReviews": latest_reviews(context, one, pull),
        "reviewThreads": paged("reviewThreads", lambda: list_threads(context, one, pull)),
        "commits": paged("commits", lambda: commits),
        "statusCheckRollup": lambda _: rollup(context, one, pull.head_sha),
        "autoMergeRequest": _auto_merge(context, pull),
        "isInMergeQueue": entry is not None,
        "isMergeQueueEnabled": bool(protection_of(one, pull.base).queue_method),
        "mergeQueueEntry": queue_entry(context, one, pull, entry) if entry else None,
        "additions": found.additions,
        "deletions": found.deletions,
        "changedFiles": len(found.files),
        "updatedAt": pull.updated_at,
    }


def _commit(context: Context, one: Repository, sha: str) -> Shape:
    message = one.git.commit(sha).message
    headline = {"message": message, "messageHeadline": message.split("\n")[0]}
    return {**commit_id(sha), **headline, "statusCheckRollup": lambda _: rollup(context, one, sha)}


def _auto_merge(context: Context, pull: Pull) -> Shape | None:
    """`AutoMergeRequest`."""
    if pull.auto_merge is None:
        return None
    return {
        "enabledAt": pull.auto_merge["enabled_at"],
        "enabledBy": actor_shape(context, pull.auto_merge["enabled_by"]),
        "mergeMethod": pull.auto_merge["merge_method"].upper(),
        "commitHeadline": pull.auto_merge["commit_title"] or None,
        "commitBody": pull.auto_merge["commit_message"] or None,
    }


def queue_entry(context: Context, one: Repository, pull: Pull, entry: QueueEntry) -> Shape:
    """`MergeQueueEntry`."""
    waiting = [found.id for found in list_entries(context.hub.store, one, pull.base)]
    return {
        "id": node_id("MQE", entry.id),
        "position": waiting.index(entry.id) + 1 if entry.id in waiting else 0,
        "state": "AWAITING_CHECKS" if entry.group_sha else "QUEUED",
        "enqueuedAt": entry.enqueued_at,
        "enqueuer": actor_shape(context, entry.enqueuer),
        "headCommit": commit_id(entry.group_sha) if entry.group_sha else None,
        "baseCommit": commit_id(entry.base_sha) if entry.base_sha else None,
        "pullRequest": lambda _: pull_request(context, one, pull),
    }
