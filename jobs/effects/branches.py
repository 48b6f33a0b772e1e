"""Reads the ticket's branch: whose commits are on it, and the work that was not pushed on top of them. Called by
`jobs.effects.perform`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from integrations.errors import IntegrationError, Rejected
from integrations.git.mirror import Mirror
from integrations.values import NO_COMMIT, CommitSha
from jobs.effects.cleaning import is_own_head
from jobs.effects.gather import Base
from jobs.loop import commands as c

if TYPE_CHECKING:
    from jobs.effects.perform import Context

AUTHOR = "Loopline"


@dataclass(frozen=True)
class Branch:
    """The ticket's branch. `by` is the author of its head, empty for a commit of Loopline; `carried` is the work that
    was not pushed, merged with that head, and `conflicts` are its paths with conflict markers."""

    by: str = ""
    carried: CommitSha = NO_COMMIT
    conflicts: tuple[str, ...] = ()


def read_branch(command: c.PrepareWorkspace, base: Base, ctx: Context) -> Branch:
    """The branch as of the fetch of `base`."""
    head, mirror = base.branch_sha, ctx.world.mirror(command.repository)
    if not head:
        return Branch()
    by = "" if is_own_head(command.repository, head, ctx) else mirror.read_author(head)
    carried, conflicts = _carry(command.work, head, mirror, ctx)
    return Branch(by, carried, conflicts)


def _carry(work: CommitSha, head: CommitSha, mirror: Mirror, ctx: Context) -> tuple[CommitSha, tuple[str, ...]]:
    """The work on top of `head`, and its conflicts; empty when there is none that `head` lacks, or it is lost."""
    try:
        if not work or mirror.is_ancestor(work, head) or mirror.is_ancestor(head, work):
            return NO_COMMIT, ()
        email = ctx.world.settings.commit_email
        message = f"{ctx.ticket.identifier}: unfinished work"
        merged = mirror.merge(head, work, message, AUTHOR, email, 0)
        carried = mirror.write_candidate(merged.sha, head, message, AUTHOR, email, 0)
    except Rejected:
        return NO_COMMIT, ()
    return carried, tuple(conflict.path for conflict in merged.conflicts)


def read_author(branch: str, mirror: Mirror) -> str:
    """The author of the branch's newest commit, empty where it cannot be read."""
    try:
        mirror.fetch(branch)
        return mirror.read_author(mirror.head(branch))
    except IntegrationError:
        return ""
