"""Writes into the tracker's agent sessions. Called by `jobs.effects.perform` and `jobs.acknowledge`.

A loop with a session is shown there and nowhere else: messages are activities instead of comments, the plan and the
current activity replace the progress comment. Every activity has an id that is derived from its command.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from integrations.errors import NotFound, Rejected, Unauthorized
from integrations.outward import check_outward
from integrations.ports.tracker import Activity
from jobs.effects.texts import find_own
from jobs.loop import commands as c
from jobs.loop.derived_ids import derive_id as derive_id
from jobs.loop.state import AT_WORK, Loop, Stage
from jobs.messages.sanitize import sanitize_line
from jobs.messages.sessions import PROGRESS_MOVED_MESSAGE, RECEIVED, list_choices, working_message
from jobs.runtime import keys
from jobs.runtime.scripts import decode
from jobs.store.tickets import KEPT_SECONDS
from jobs.workflow.report import Report

if TYPE_CHECKING:
    from jobs.effects.perform import Context
    from jobs.effects.world import World

DASHBOARD_LABEL, PULL_REQUEST_LABEL = "Loopline", "Pull request"
PROMPT = "prompt:"
"""Prefix of the comment id of a message that is no comment, to which no emoji can be added."""
_log = structlog.get_logger(__name__)


def acknowledge_session(session_id: str, identifier: str, world: World) -> None:
    """Send the first activity, unless a later one was sent, and the link to the dashboard, once.

    Raises `Unavailable`, `Frozen`, `NotFound`."""
    key = keys.session(session_id)
    if world.redis.hexists(key, "opened"):
        return
    check_outward()
    first = None if world.redis.hexists(key, "activity") else Activity("thought", RECEIVED, ephemeral=True)
    links = {f"{world.settings.dashboard_url}/tickets/{identifier}": DASHBOARD_LABEL} if identifier else {}
    world.tracker.update_session(session_id, first, derive_id(session_id, "received"), links=links)
    _note(world, session_id, opened="1")


def open_session(command: c.OpenSession, ctx: Context) -> None:
    """Acknowledge the session, unless `jobs.acknowledge` has done it."""
    acknowledge_session(command.session_id, ctx.ticket.identifier, ctx.world)


def send_heartbeat(command: c.SendHeartbeat, ctx: Context) -> None:
    """Show that the work continues."""
    activity = Activity("thought", command.body, ephemeral=True)
    ctx.world.tracker.update_session(command.session_id, activity, ctx.create_id())
    _note(ctx.world, command.session_id)


def post_in_session(command: c.PostComment, activity_id: str, ctx: Context, loop: Loop) -> bool:
    """Post the message as an activity; False when the session no longer exists.

    While agents work it is followed by the current activity, because a response marks the session as complete."""
    activity = build_activity(command, loop)
    own = find_own(ctx.ticket, ctx.world)
    activity = replace(activity, choices=tuple(sanitize_line(choice, own) for choice in activity.choices))
    try:
        ctx.world.tracker.update_session(loop.session_id, activity, activity_id)
        if loop.stage in AT_WORK:
            current = Activity("thought", working_message(loop), ephemeral=True)
            ctx.world.tracker.update_session(loop.session_id, current, derive_id(activity_id, "again"))
    except NotFound:
        _log.warning("session not found", ticket=loop.identifier, session=loop.session_id)
        return False
    _note(ctx.world, loop.session_id)
    return True


def build_activity(command: c.PostComment, loop: Loop) -> Activity:
    """An error for a failure, an elicitation while the loop waits for a person's answer, otherwise a response."""
    if command.failed:
        return Activity("error", command.body)
    choices = command.choices or list_choices(loop)
    if choices or loop.stage in {Stage.ASKING, Stage.NEEDS_HUMAN}:
        return Activity("elicitation", command.body, choices=choices)
    return Activity("response", command.body)


def show_in_session(report: Report, ctx: Context, session_id: str) -> None:
    """Replace the plan and the current activity where they changed. A rejection does not stop the board memory."""
    known = {decode(name): decode(value) for name, value in ctx.world.redis.hgetall(keys.session(session_id)).items()}
    plan_digest, activity_digest = _digest(report.plan), _digest(report.activity)
    plan = report.plan if plan_digest != known.get("plan") else None
    activity = report.activity if activity_digest != known.get("activity") else None
    if plan is None and activity is None:
        return
    activity_id = derive_id(session_id, report.digest)
    try:
        ctx.world.tracker.update_session(session_id, activity, activity_id, plan=plan)
    except Unauthorized:
        raise
    except Rejected as error:
        _log.warning("session not updated", ticket=ctx.ticket.identifier, reason=str(error))
        return
    _note(ctx.world, session_id, active=activity is not None, plan=plan_digest, activity=activity_digest)


def close_progress_comment(command: c.CloseProgressComment, ctx: Context) -> None:
    """Refer to the session in the generation's progress comment, if there is one."""
    try:
        ctx.world.tracker.edit_comment(ctx.create_id("progress", str(command.generation)), PROGRESS_MOVED_MESSAGE)
    except NotFound:
        return


def set_delegate(command: c.SetDelegate, ctx: Context) -> None:
    """Become the ticket's delegate if there is none; remove Loopline, not another app."""
    delegate = ctx.world.tracker.fetch(ctx.ticket.id).delegate
    if command.ours and delegate is None:
        ctx.world.tracker.delegate(ctx.ticket.id, to_us=True)
    if not command.ours and delegate and delegate.is_us:
        ctx.world.tracker.delegate(ctx.ticket.id, to_us=False)


def _digest(shown: object) -> str:
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def _note(world: World, session_id: str, *, active: bool = True, **values: str) -> None:
    """Store what the session shows, and the time of its last activity, from which the sweep decides a heartbeat."""
    fields = values | ({"at": str(world.now())} if active else {})
    if fields:
        world.redis.hset(keys.session(session_id), items=[part for pair in fields.items() for part in pair])
        world.redis.expire(keys.session(session_id), KEPT_SECONDS)
