"""The merge queue of a branch: one pull request after the other is merged on a branch of its own and checked there.

As GitHub's with one entry built at a time. The checks that the rules require have to pass on the head of the merge
group, a commit on `gh-readonly-queue/<base>/pr-<number>-<sha>`; a failing one removes the pull request.
"""

from __future__ import annotations

from typing import Any

from integrations.standins.github.hub import Repository, now
from integrations.standins.github.merges import MergeText, check_head, finish_merge, write_merge
from integrations.standins.github.problems import Problem
from integrations.standins.github.protection import check_rules, describe_checks, has_failing_check, protection_of
from integrations.standins.github.pushes import NO_COMMIT, Aftermath, Update
from integrations.standins.github.records import Pull, QueueEntry, Store

QUEUE = "gh-readonly-queue"


def list_entries(store: Store, repository: Repository, base: str = "") -> list[QueueEntry]:
    """The entries of the queue, the next one first; of one base branch, or of all."""
    entries = store.all(QueueEntry, repository=repository.name, outcome="")
    pulls = {pull.number: pull for pull in store.all(Pull, repository=repository.name)}
    return [one for one in entries if not base or pulls[one.number].base == base]


def find_entry(store: Store, pull: Pull) -> QueueEntry | None:
    """The pull request's place in the queue."""
    found = store.all(QueueEntry, repository=pull.repository, number=pull.number, outcome="")
    return found[0] if found else None


def enqueue(aftermath: Aftermath, pull: Pull, sha: str | None = None) -> QueueEntry:
    """Add a pull request whose requirements are met to the queue. Raises `Problem`."""
    hub, repository = aftermath.view.hub, aftermath.repository
    if not protection_of(repository, pull.base).queue_method:
        raise Problem(422, f"The merge queue is not enabled for the branch {pull.base}")
    if find_entry(hub.store, pull):
        raise Problem(422, "Pull request is already in the queue")
    check_head(pull, sha)
    check_rules(hub, repository, pull)
    entry = QueueEntry(hub.store.new_id(), repository.name, pull.number, pull.head_sha, aftermath.sender, now())
    hub.store.put(entry)
    aftermath.emit_pull("enqueued", pull)
    return entry


def remove(aftermath: Aftermath, pull: Pull, entry: QueueEntry, reason: str) -> None:
    """Take the pull request out of the queue; `reason` is GitHub's, as 'CI_FAILURE'."""
    entry.outcome = reason
    aftermath.view.hub.store.put(entry)
    aftermath.emit_pull("dequeued", pull, reason=reason)
    if entry.group_sha:
        ref = _group_ref(pull, entry)
        aftermath.repository.git.delete_ref(ref)
        kind = "merged" if reason == "MERGE" else "dequeued"
        aftermath.emit("merge_group", "destroyed", reason=kind, merge_group=_merge_group(aftermath, pull, entry))
        aftermath.of([Update(ref, entry.group_sha, NO_COMMIT)])


def advance_queue(aftermath: Aftermath) -> None:
    """Remove, build or merge the first entry, as long as anything changes."""
    store, repository = aftermath.view.hub.store, aftermath.repository
    while entries := list_entries(store, repository):
        entry = entries[0]
        pull = aftermath.view.hub.pull(repository, entry.number)
        own = Aftermath(aftermath.view, repository, entry.enqueuer, aftermath.causes)
        if reason := _find_removal(own, pull, entry):
            remove(own, pull, entry, reason)
        elif not _has_current_group(repository, pull, entry):
            _build_group(own, pull, entry)
        elif describe_checks(own.view.hub, repository, entry.group_sha, protection_of(repository, pull.base)):
            return
        else:
            _merge_group_into_base(own, pull, entry)


def _find_removal(aftermath: Aftermath, pull: Pull, entry: QueueEntry) -> str:
    """Why the entry cannot stay in the queue, empty if it can."""
    hub, repository = aftermath.view.hub, aftermath.repository
    if pull.state != "open":
        return "ALREADY_MERGED" if pull.merged_at else "MANUAL"
    if pull.head_sha != entry.head_sha:
        return "UNKNOWN_REMOVAL_REASON"
    rules = protection_of(repository, pull.base)
    if entry.group_sha and has_failing_check(hub, repository, entry.group_sha, rules):
        return "CI_FAILURE"
    base = repository.git.head(pull.base)
    return "" if base and repository.git.merged_tree(base, pull.head_sha) else "MERGE_CONFLICT"


def _has_current_group(repository: Repository, pull: Pull, entry: QueueEntry) -> bool:
    return bool(entry.group_sha) and entry.base_sha == repository.git.head(pull.base)


def _build_group(aftermath: Aftermath, pull: Pull, entry: QueueEntry) -> None:
    hub, repository = aftermath.view.hub, aftermath.repository
    base = repository.git.head(pull.base) or ""
    method = protection_of(repository, pull.base).queue_method
    text = MergeText(method, (pull.auto_merge or {}).get("commit_title") or None)
    entry.base_sha, entry.group_sha = base, write_merge(hub, repository, pull, text, base, entry.enqueuer) or base
    hub.store.put(entry)
    repository.git.set_ref(_group_ref(pull, entry), entry.group_sha)
    aftermath.of([Update(_group_ref(pull, entry), NO_COMMIT, entry.group_sha)])
    aftermath.emit("merge_group", "checks_requested", merge_group=_merge_group(aftermath, pull, entry))


def _merge_group_into_base(aftermath: Aftermath, pull: Pull, entry: QueueEntry) -> None:
    remove(aftermath, pull, entry, "MERGE")
    finish_merge(aftermath, pull, entry.base_sha, entry.group_sha)


def _group_ref(pull: Pull, entry: QueueEntry) -> str:
    return f"refs/heads/{QUEUE}/{pull.base}/{entry.group_branch}"


def _merge_group(aftermath: Aftermath, pull: Pull, entry: QueueEntry) -> dict[str, Any]:
    """`merge-group` of a webhook."""
    head = aftermath.repository.git.commit(entry.group_sha)
    people = {
        role: {"name": one.name, "email": one.email}
        for role, one in (("author", head.author), ("committer", head.committer))
    }
    commit = {"id": head.sha, "tree_id": head.tree, "message": head.message, "timestamp": head.committer.when}
    return {
        "head_sha": entry.group_sha,
        "head_ref": _group_ref(pull, entry),
        "base_sha": entry.base_sha,
        "base_ref": f"refs/heads/{pull.base}",
        "head_commit": {**commit, **people},
    }
