"""Merges that wait: auto-merge, and the merge queue. `settle` runs after every change of the stand-in."""

from __future__ import annotations

from contextlib import suppress

from integrations.standins.github.changes import mergeable
from integrations.standins.github.hub import Hub, Repository, now
from integrations.standins.github.merge_queue import advance_queue, enqueue, find_entry, list_entries
from integrations.standins.github.merges import MergeText, check_head, merge_pull
from integrations.standins.github.problems import Problem
from integrations.standins.github.protection import check_rules, merge_state, protection_of
from integrations.standins.github.pushes import Aftermath
from integrations.standins.github.records import Pull
from integrations.standins.github.shapes.view import View

REFUSED = "Pull request"
"""GitHub repeats the noun before its reason: 'Pull request Pull request is in clean status'."""


def enable_auto_merge(aftermath: Aftermath, pull: Pull, wanted: MergeText) -> None:
    """Merge, or enqueue, as soon as the requirements are met. Raises `Problem` with GitHub's reasons to refuse."""
    hub, repository = aftermath.view.hub, aftermath.repository
    rules = protection_of(repository, pull.base)
    if not repository.seeded.allow_auto_merge:
        raise Problem(422, f"{REFUSED} Auto merge is not allowed for this repository")
    if not rules.exists:
        raise Problem(422, f"{REFUSED} Protected branch rules not configured for this branch")
    check_head(pull, wanted.sha)
    if pull.state != "open":
        raise Problem(422, f"{REFUSED} Pull request is closed")
    state = merge_state(hub, repository, pull, mergeable(repository, pull))
    if state in ("CLEAN", "UNSTABLE") or (state == "DIRTY" and not rules.queue_method):
        raise Problem(422, f"{REFUSED} Pull request is in {state.lower()} status")
    if wanted.method not in rules.methods and not rules.queue_method:
        raise Problem(422, f"{REFUSED} {wanted.method.title()} merges are not allowed on this repository")
    pull.auto_merge = {
        "enabled_by": aftermath.sender,
        "enabled_at": now(),
        "merge_method": rules.queue_method or wanted.method,
        "commit_title": wanted.title or "",
        "commit_message": wanted.message or "",
    }
    hub.store.put(pull)
    aftermath.emit_pull("auto_merge_enabled", pull, reason="")


def disable_auto_merge(aftermath: Aftermath, pull: Pull, reason: str = "") -> None:
    """Switch auto-merge off. Raises a 422 `Problem` if it is off."""
    if pull.auto_merge is None:
        raise Problem(422, "Can't disable auto-merge for this pull request")
    pull.auto_merge = None
    aftermath.view.hub.store.put(pull)
    aftermath.emit_pull("auto_merge_disabled", pull, reason=reason)


def settle(view: View) -> None:
    """Perform every waiting merge whose requirements are met now."""
    for repository in view.hub.repositories.values():
        for pull in view.hub.store.all(Pull, repository=repository.name, state="open"):
            if pull.auto_merge:
                _try_auto_merge(view, repository, pull, pull.auto_merge)
        if list_entries(view.hub.store, repository):
            advance_queue(Aftermath(view, repository, ""))


def _try_auto_merge(view: View, repository: Repository, pull: Pull, wanted: dict[str, str]) -> None:
    aftermath = Aftermath(view, repository, wanted["enabled_by"])
    with suppress(Problem):  # it keeps waiting
        check_rules(view.hub, repository, pull)
        if not protection_of(repository, pull.base).queue_method:
            text = MergeText(wanted["merge_method"], wanted["commit_title"] or None, wanted["commit_message"] or None)
            merge_pull(aftermath, pull, text)
        elif not find_entry(view.hub.store, pull):
            enqueue(aftermath, pull)


def describe_waiting(hub: Hub, pull: Pull) -> str:
    """How the pull request waits for its merge, for the page; empty if it does not."""
    if entry := find_entry(hub.store, pull):
        return f"In the merge queue since {entry.enqueued_at}."
    return f"Auto-merge was enabled by {pull.auto_merge['enabled_by']}." if pull.auto_merge else ""
