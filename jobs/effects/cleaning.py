"""Removes the worktrees and the branch of a ticket whose work has ended. Called by `jobs.effects.perform`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from integrations.errors import Conflict, Unavailable
from integrations.git.mirror import Mirror
from integrations.sandbox.leftovers import kill_sandboxes
from integrations.values import CommitSha, Identifier
from jobs.loop import commands as c
from jobs.messages.foreign import branch_left_message
from jobs.runtime import keys
from jobs.runtime.scripts import decode

if TYPE_CHECKING:
    from jobs.effects.perform import Context
    from jobs.effects.world import World


def clean_up(command: c.CleanUp, ctx: Context) -> None:
    """Remove the worktrees, then the branch while its head is one of Loopline's commits: the code host compares and
    deletes in one step. Raises `Unavailable` until the ticket's runs have ended, but for one without a worktree."""
    runs = ctx.world.runs.list_runs(ctx.ticket.id)
    unfinished = map(ctx.world.runs.spec, filter(ctx.world.runs.is_unfinished, runs))
    if any(spec is None or spec.role != "lesson" for spec in unfinished):
        raise Unavailable(f"a run of {ctx.ticket.identifier} has not ended yet", 1.0)
    if not command.repository:
        return
    mirror = ctx.world.mirror(command.repository)
    # a ticket that was in another team had another identifier then
    specs = [spec for run_id in runs if (spec := ctx.world.runs.spec(run_id))]
    for identifier in {ctx.ticket.identifier, *(spec.ticket.identifier for spec in specs)}:
        _remove_files(identifier, mirror, ctx.world)
    if not command.branch:
        return
    host = ctx.world.code_host
    head = host.branch_head(command.repository, command.branch)
    if head and (head == command.merged or is_own_head(command.repository, head, ctx)):
        url, credentials = host.repository(command.repository).clone_url, host.git_credentials(command.repository)
        try:
            ctx.world.mirror(command.repository, url, credentials).delete_branch(command.branch, head)
            return
        except Conflict:  # another account pushed just now
            pass
    if head:
        body = branch_left_message(command.branch)
        ctx.world.tracker.comment(ctx.ticket.id, body, ctx.create_id("left", command.branch, head))
    else:
        mirror.forget(command.branch)


def _remove_files(identifier: Identifier, mirror: Mirror, world: World) -> None:
    """Remove the worktrees and the downloaded images."""
    folder = world.run_folder(identifier)
    for run in sorted(folder.iterdir()) if folder.is_dir() else ():
        kill_sandboxes(run)
        mirror.remove_workspace(run)
    for used in filter(Path.is_dir, (folder, world.upload_folder(identifier))):
        shutil.rmtree(used)


def is_own_head(repository: str, head: CommitSha, ctx: Context) -> bool:
    """Whether Loopline pushed this commit for this ticket."""
    owner = ctx.world.redis.get(keys.head(repository, head))
    return owner is not None and decode(owner) == ctx.ticket.id
