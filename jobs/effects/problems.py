"""Files problems into the triage inbox, keeps their tickets up to date and closes those that are resolved.

Called by `jobs.inform` under its lease. All writes are idempotent: the ticket's id is derived from the cause.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import structlog

from integrations.errors import IntegrationError, NotFound, Unauthorized
from integrations.ports.tracker import TicketSearch
from integrations.values import Identifier, Ticket, TicketId
from jobs.effects.notifying import list_dead_targets, queue_notification
from jobs.effects.own_tickets import find_own_ticket
from jobs.effects.texts import find_own, sanitize_text
from jobs.effects.world import World
from jobs.loop.derived_ids import derive_id
from jobs.loop.problem import KnownProblem, Problem
from jobs.messages import problems as messages
from jobs.messages.notifications import plain
from jobs.messages.sanitize import sanitize_line
from jobs.runtime import keys
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode
from jobs.store.automations import AutomationStore
from jobs.store.breaker import credentials_alarm
from jobs.store.notifications import Notification
from jobs.store.problems import forget_problem, list_known_problems, save_problem
from jobs.workflow.problems import Failures, Letter, Step, find_problems, reconcile

MOST_SEARCHED = 200
"""Tickets of a team, the newest first."""
_UNTOUCHED = ("triage", "backlog", "unstarted")
"""Linear's types of columns in which no person works on a ticket."""
_log = structlog.get_logger(__name__)


def update_inbox(world: World, lease: Lease) -> None:
    """Find all problems, and change the board accordingly. One whose ticket cannot be written is tried again next
    time."""
    _find_lost_problems(world)
    found = find_problems(_gather_failures(world), tuple(world.policy.teams))
    known, steps = reconcile(list_known_problems(world.redis), found, world.now())
    lease.check()
    for one in known:
        save_problem(world.redis, one)
    for step in steps:
        lease.check()
        try:
            _take_step(step, world)
        except IntegrationError as error:
            problem = step.known.problem
            _log.warning("problem not filed, will retry", problem=problem.key, team=problem.team, reason=str(error))


def _find_lost_problems(world: World) -> None:
    """Once for each Redis: know the open tickets of problems again whose causes were lost with another one. They are
    resolved like any other problem that is absent."""
    if world.redis.exists(keys.PROBLEMS_FOUND):
        return
    known = {one.ticket_id for one in list_known_problems(world.redis)}
    now, is_complete = world.now(), True
    for team in world.policy.teams:
        try:
            for ticket in _list_open_tickets(team, known, world):
                problem = Problem(key=f"lost:{ticket.id}", team=team, kind="lost", subject=ticket.title, reason="")
                lost = KnownProblem(problem=problem, first_at=now, last_at=now, ticket_id=ticket.id, url=ticket.url)
                save_problem(world.redis, replace(lost, identifier=ticket.identifier))
        except IntegrationError as error:
            is_complete = False
            _log.warning("open problems not searched, will retry", team=team, reason=str(error))
    if is_complete:
        world.redis.set(keys.PROBLEMS_FOUND, 1)


def _list_open_tickets(team: str, known: Collection[TicketId], world: World) -> Iterator[Ticket]:
    """The team's tickets of problems but for the known ones."""
    search = TicketSearch(team=team, text=messages.CLOSING)
    for listed in list(world.tracker.find_tickets(search, MOST_SEARCHED)):
        if listed.id not in known and not listed.to_reference().closed:
            ticket = world.tracker.fetch(listed.id)
            if ticket.creator and ticket.creator.is_us and not ticket.trashed:
                yield ticket


def _gather_failures(world: World) -> Failures:
    return Failures(
        loops=world.store.loops(),
        letters=[
            Letter(one.id, one.kind, one.cause, one.ticket_id, one.identifier) for one in world.dead_letters.summaries()
        ],
        automations=AutomationStore(world.redis).states(),
        refused=decode(world.redis.get(keys.REFUSED_CREDENTIALS) or b""),
        alarm=credentials_alarm(world.redis),
        targets=list_dead_targets(world),
    )


def _take_step(step: Step, world: World) -> None:
    match step.kind:
        case "file":
            _notify(step.known, world)
            _file(step.known, world)
        case "show":
            _show_affected(step.known, world)
        case "resolve":
            _resolve(step.known, world)


def _notify(known: KnownProblem, world: World) -> None:
    """Before the ticket, which cannot be written while the tracker refuses its credentials. An escalation was sent when
    it was raised, and a target that fails gets nothing."""
    problem = known.problem
    if problem.kind in ("escalation", "notification"):
        return
    body = messages.problem_notification(problem)
    for team in world.settings.notify if problem.kind == "credentials" else (problem.team,):
        title, name = plain(messages.problem_title(problem)), f"problem:{problem.key}:{int(known.first_at)}"
        one = Notification(id=name, team=team, title=title, body=body, at=world.now())
        queue_notification("escalations", one, world)


def _file(known: KnownProblem, world: World) -> None:
    """Create the ticket. One of an earlier time is used again: reopened, unless a person cancelled it."""
    problem = known.problem
    ticket, free = find_own_ticket(f"problem:{problem.key}", world)
    columns = world.policy.teams[problem.team].board_columns()
    if ticket is None:
        draft = Ticket(id=free, identifier=Identifier(""), title="", team=problem.team)
        title = sanitize_line(messages.problem_title(problem), find_own(draft, world))
        ticket = world.tracker.create_ticket(
            problem.team,
            sanitize_text(title, draft, world),
            sanitize_text(messages.problem_body(problem), draft, world),
            free,
            column=columns.get("triage", ""),
        )
        _log.info("problem filed", problem=problem.key, ticket=ticket.identifier, team=problem.team)
    elif ticket.to_reference().closed:
        _comment(ticket, messages.again_message(problem), known, "again", world)
        if not ticket.to_reference().cancelled and "triage" in columns:
            world.tracker.move(ticket, columns["triage"])
    filed = replace(known, ticket_id=ticket.id, identifier=ticket.identifier, url=ticket.url)
    save_problem(world.redis, replace(filed, shown=problem.affected, shown_at=world.now()))


def _show_affected(known: KnownProblem, world: World) -> None:
    """Upsert the one comment that lists the affected ones as they are now."""
    text = sanitize_text(messages.list_affected(known.problem), _draft(known), world)
    comment_id = derive_id(known.ticket_id, "affected")
    try:
        world.tracker.edit_comment(comment_id, text)
    except Unauthorized:
        raise
    except NotFound:
        world.tracker.comment(known.ticket_id, text, comment_id)
    save_problem(world.redis, replace(known, shown=known.problem.affected, shown_at=world.now()))


def _resolve(known: KnownProblem, world: World) -> None:
    """Comment, and close the ticket if no person works on it. One that people closed or deleted stays as it is, and
    that of a problem that was lost and is there again."""
    others = {one.ticket_id for one in list_known_problems(world.redis) if one.problem.key != known.problem.key}
    ticket = _fetch(known.ticket_id, world) if known.ticket_id and known.ticket_id not in others else None
    if ticket and not ticket.trashed and not ticket.to_reference().closed:
        _comment(ticket, messages.resolved_message(known.problem), known, "resolved", world)
        team = world.policy.teams.get(ticket.team)
        done = team.board_columns().get("done", "") if team else ""
        if done and ticket.column_type in _UNTOUCHED:
            world.tracker.move(ticket, done)
    forget_problem(world.redis, known.problem.key)
    _log.info("problem resolved", problem=known.problem.key, ticket=known.identifier, team=known.problem.team)


def _comment(ticket: Ticket, text: str, known: KnownProblem, name: str, world: World) -> None:
    """Once for each time that the problem began."""
    comment_id = derive_id(ticket.id, name, str(int(known.first_at)))
    world.tracker.comment(ticket.id, sanitize_text(text, ticket, world), comment_id)


def _fetch(ticket_id: TicketId, world: World) -> Ticket | None:
    try:
        return world.tracker.fetch(ticket_id)
    except Unauthorized:
        raise
    except NotFound:
        return None


def _draft(known: KnownProblem) -> Ticket:
    return Ticket(id=known.ticket_id, identifier=known.identifier, title="", team=known.problem.team, url=known.url)
