"""Effects of skills and lessons. Called by `jobs.effects.perform`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from integrations.automation_events import LessonKept
from integrations.errors import Rejected
from jobs.effects.gather import read_base
from jobs.loop.automation_ids import automations_id
from jobs.loop.commands import DraftLesson
from jobs.loop.lesson_state import KeepLesson, KeptLesson
from jobs.loop.skill_state import CountSkills
from jobs.runtime import queues, run_order
from jobs.store.automations import AutomationStore
from jobs.store.skill_outcomes import record_skills
from jobs.workflow.lesson_rules import add_lesson

if TYPE_CHECKING:
    from jobs.effects.perform import Context
    from jobs.effects.world import World


def count_skills(command: CountSkills, ctx: Context) -> None:
    """Record the end of the attempt for the repository's statistics."""
    record_skills(ctx.world.redis, f"{ctx.ticket.id}/{ctx.id}", command)


def draft_lesson(command: DraftLesson, ctx: Context) -> None:
    """Fetch the base branch, which has the commits of a takeover once it is merged, then store the run. That of a
    rejected finding begins with the base branch and its policy, which no work has read."""
    spec, host = command.spec, ctx.world.code_host
    if not spec.workspace.base_sha:
        base = read_base(spec.workspace.repository, "", ctx.world)
        if base.policy.loop.lessons == "off":
            raise Rejected("loop.lessons in WORKFLOW.md is off")
        place = replace(spec.workspace, base_branch=base.branch, base_sha=base.sha)
        spec = replace(spec, workspace=place, start_sha=base.sha, policy=base.policy)
    elif any(one.after for one in spec.corrections):
        with suppress(Rejected):
            place = spec.workspace
            url, credentials = host.repository(place.repository).clone_url, host.git_credentials(place.repository)
            ctx.world.mirror(place.repository, url, credentials).fetch(place.base_branch)
    ctx.world.runs.start(spec)
    run_order.set_order(ctx.world.redis, spec.ticket.id, spec.ticket.priority, spec.ticket.due_date)
    run_order.set_turn(ctx.world.redis, spec.run_id, spec.ticket.id, spec.handed_over_at)
    queues.wake_run(ctx.world.redis, spec.run_id)


def keep_lesson(command: KeepLesson, ctx: Context) -> None:
    """Add the draft to the repository's lessons. That of a rejected finding is written to the memory of automations."""
    keep_in_book(command.repository, command.lesson, ctx.world)
    if command.lesson.sighting.cause == "rejected finding":
        store = AutomationStore(ctx.world.redis)
        mailbox = automations_id(store.find_present_name(command.repository))
        if store.deliver(LessonKept(event_id=f"{ctx.id}/lesson", ticket_id=mailbox, at=ctx.world.now())):
            queues.wake_ticket(ctx.world.redis, mailbox)


def keep_in_book(repository: str, kept: KeptLesson, world: World) -> None:
    """Add a ticket's draft, and let `jobs.tend_lessons` act on the lessons. Idempotent."""
    world.lessons.change(repository, lambda book: add_lesson(book, kept))
    queues.wake(world.redis, queues.TEND_LESSONS, repository)
