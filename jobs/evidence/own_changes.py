"""Separates Loopline's changes on a branch from the commits of other accounts. Pure; called by `jobs.roles.gate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from integrations.errors import Rejected
from integrations.git.changes import Change
from integrations.values import CommitSha
from jobs.loop.foreign_state import ForeignPush

ReadChanges = Callable[[CommitSha, CommitSha], Sequence[Change]]


def find_own_changes(
    base: CommitSha, head: CommitSha, pushes: Sequence[ForeignPush], read: ReadChanges
) -> tuple[list[Change], dict[str, str]]:
    """Loopline's changes by path, and the paths that only other accounts changed, with the account.

    A path is compared with the newest version that another account pushed, else with the base commit. `read` returns
    the changes between two commits; a push whose commits are lost counts as Loopline's own."""
    whole = read(base, head)
    since: dict[str, ForeignPush] = {}
    for push in pushes:
        try:
            since |= {change.path: push for change in read(push.before or base, push.head)}
        except Rejected:
            continue
    own = [change for change in whole if change.path not in since]
    for push in dict.fromkeys(since.values()):
        own += [change for change in read(push.head, head) if since.get(change.path) == push]
    changed = {change.path for change in own}
    theirs = {change.path: since[change.path].by for change in whole if change.path not in changed}
    return sorted(own, key=lambda change: change.path), theirs
