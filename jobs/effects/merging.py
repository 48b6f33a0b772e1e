"""Performers of merges: read facts and rules, then act on the plan of `jobs.workflow.merging`. Called by `perform`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from integrations.events import Event, MergeHeld, MergeWaits, PullRequestMerged
from jobs.effects.new_tickets import check_merge_order
from jobs.effects.texts import find_own, sanitize_command
from jobs.effects.upstream import find_moved_base
from jobs.loop import commands as c
from jobs.messages.sanitize import sanitize_line
from jobs.workflow.merging import MergePlan, plan_merge

if TYPE_CHECKING:
    from jobs.effects.perform import Context


def merge_pull_request(command: c.MergePullRequest, ctx: Context) -> Sequence[Event]:
    """Merge exactly the approved commit, let the code host do it, or report what is missing. A merge result that is not
    known to pass is returned without a merge.

    Idempotent: after a crash the plan is made again, and each way reads first whether it was taken."""
    check_merge_order(ctx)
    host = ctx.world.code_host
    facts = host.fetch_facts(command.repository, command.number)
    rules = host.fetch_merge_rules(command.repository, command.number, facts.base)
    assert ctx.loop
    plan = plan_merge(ctx.loop, facts, rules)
    fields = {**ctx.build_event_fields(), "generation": command.generation}
    if plan.way == "hold":
        return (MergeHeld(**fields, missing=plan.missing),)
    if plan.way == "merge" and not facts.merged and (moved := find_moved_base(command, ctx)):
        return moved
    title, message = _write_message(command, plan, ctx)
    if plan.way != "merge":
        waits = host.merge_when_ready(
            command.repository, command.number, command.sha, plan.way, title, message, plan.method
        )
        if waits:
            return (MergeWaits(**fields, way=plan.way, pending=plan.pending_checks),)
    sha = host.merge(command.repository, command.number, command.sha, title, message, plan.method)
    merged = PullRequestMerged(
        **ctx.build_event_fields(),
        repository=command.repository,
        number=command.number,
        head_sha=command.sha,
        merge_sha=sha,
    )
    return (merged,)


def _write_message(command: c.MergePullRequest, plan: MergePlan, ctx: Context) -> tuple[str, str]:
    """Title and message of the merge commit, with inert texts; an empty message is the code host's own."""
    text = sanitize_command(replace(command, title=plan.title or command.title, body=plan.body), ctx.ticket, ctx.world)
    assert isinstance(text, c.MergePullRequest)
    own = find_own(ctx.ticket, ctx.world)
    trailers = "\n".join(sanitize_line(trailer, own) for trailer in plan.trailers)
    return text.title, "\n\n".join(filter(None, (text.body.strip(), trailers)))


def cancel_merge(command: c.CancelMerge, ctx: Context) -> None:
    """Take the pull request out of the merge queue, and disable its auto-merge."""
    ctx.world.code_host.cancel_merge(command.repository, command.number)
