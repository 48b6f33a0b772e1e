"""Sends the digests that are due: a comment on the team's digest ticket, a notification, or both.

Called by `jobs.inform` under its lease. Both are idempotent by team and slot, and the record is written last.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import structlog

from integrations.errors import IntegrationError, Rejected, Unauthorized
from jobs.config.informing import TeamDigest
from jobs.effects.notifying import queue_notification
from jobs.effects.own_tickets import find_own_ticket
from jobs.effects.texts import sanitize_text
from jobs.effects.world import World
from jobs.loop.automation import Schedule
from jobs.loop.derived_ids import derive_id
from jobs.loop.digest import Digest, MergedLine
from jobs.messages import digest as messages
from jobs.runtime.lease import Lease
from jobs.store.automations import AutomationStore
from jobs.store.digests import load_digest, save_digest
from jobs.store.merged_lines import count_unreviewed, list_merged
from jobs.store.notifications import Notification
from jobs.store.problems import list_known_problems
from jobs.workflow.digest import FUTURE_SECONDS, DigestInput, begin_record, build_digest, find_due_slot

_log = structlog.get_logger(__name__)


def send_due_digests(world: World, lease: Lease) -> None:
    """Send the digest of each team whose slot has passed. One whose board is unavailable does not delay the others."""
    for team, setting in world.settings.digest.items():
        lease.check()
        try:
            _send_if_due(team, setting, world)
        except IntegrationError as error:
            _log.warning("digest not sent, will retry", team=team, reason=str(error))


def _send_if_due(team: str, setting: TeamDigest, world: World) -> None:
    """Without a record, at the first start or after a loss of Redis, the time begins now: nothing is sent twice. So it
    does for the record of a clock that was far ahead."""
    now, record = world.now(), load_digest(world.redis, team)
    if record is None or record.slot > now + FUTURE_SECONDS:
        save_digest(world.redis, team, begin_record(team, _read_input(team, now, world), now))
        return
    slot = find_due_slot(Schedule(cron=setting.cron, timezone=setting.timezone), record, now)
    if slot is None:
        return
    given = _read_input(team, now, world)
    digest = build_digest(team, setting.timezone, given, record, now)
    if not digest.is_empty:
        _send(digest, slot, setting, world)
    save_digest(world.redis, team, replace(begin_record(team, given, now), slot=slot))


def _send(digest: Digest, slot: float, setting: TeamDigest, world: World) -> None:
    name = f"digest:{digest.team}:{datetime.fromtimestamp(slot, UTC):%Y-%m-%dT%H:%M}"
    if setting.to != "notification":
        try:
            _comment(digest, name, world)
        except Unauthorized:
            raise
        except Rejected as error:  # another attempt would be rejected too
            _log.error("digest rejected", team=digest.team, reason=str(error))
    if setting.to != "ticket":
        title, body = messages.digest_title(digest), messages.digest_notification(digest)
        one = Notification(id=name, team=digest.team, title=title, body=body, at=world.now())
        queue_notification("digest", one, world)
    _log.info("digest sent", team=digest.team, slot=name)


def _comment(digest: Digest, name: str, world: World) -> None:
    ticket, free = find_own_ticket(f"digest:{digest.team}", world)
    if ticket is None:
        column = world.policy.teams[digest.team].board_columns().get("done", "")
        body = messages.digest_ticket_body(digest.team)
        ticket = world.tracker.create_ticket(digest.team, messages.DIGEST_TICKET_TITLE, body, free, column=column)
    text = sanitize_text(messages.digest_message(digest), ticket, world)
    world.tracker.comment(ticket.id, text, derive_id(ticket.id, name))


def _read_input(team: str, now: float, world: World) -> DigestInput:
    repositories = world.policy.teams[team].repositories if team in world.policy.teams else ()
    known = [one for name in repositories for one in list_merged(world.redis, name)]
    merged = [one for one in known if one.identifier.partition("-")[0] == team]
    return DigestInput(
        loops=world.store.loops(),
        merged=[
            MergedLine(
                identifier=one.identifier,
                number=one.number,
                url=one.url,
                lines=one.lines,
                reviewed=one.reviewed,
                at=one.at,
            )
            for one in merged
        ],
        unreviewed_lines=count_unreviewed(merged, now),
        automations=AutomationStore(world.redis).states(),
        problems=list_known_problems(world.redis),
    )
