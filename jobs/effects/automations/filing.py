"""Performers of findings: the ticket of a new one, the note on that of a known one, and people's decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from integrations.automation_events import AutomationEvent, FindingDecided, FindingFiled
from integrations.errors import NotFound, Rejected, Unauthorized
from integrations.events import Event, TicketMoved
from integrations.findings import Severity
from integrations.ports.tracker import Attachment
from integrations.values import Identifier, NewRelation, Ticket, TicketId, TicketRef
from jobs.effects.automations.context import AutomationContext
from jobs.effects.texts import find_own, sanitize_text, withhold_secrets
from jobs.effects.world import World
from jobs.loop.automation import Automation
from jobs.loop.automation_commands import FileFinding, NoteFinding
from jobs.loop.automation_state import automations_id
from jobs.loop.derived_ids import derive_id, finding_ticket_id
from jobs.loop.finding_state import FindingLink, ReportFinding
from jobs.loop.state import Loop
from jobs.messages import automations as messages
from jobs.messages.sanitize import sanitize_line
from jobs.runtime import queues
from jobs.store.automations import AutomationStore
from jobs.workflow.automations.findings import can_start_itself, must_ask, read_status

if TYPE_CHECKING:
    from jobs.effects.perform import Context

PRIORITIES: dict[Severity, int] = {"urgent": 1, "high": 2, "normal": 3, "low": 4}


def file_finding(command: FileFinding, ctx: AutomationContext) -> Sequence[AutomationEvent]:
    """Create the ticket, idempotent by repository, fingerprint and number of earlier tickets. It can be older than a
    loss of Redis: then a person's decision about it is reported too."""
    world, finding, automation = ctx.world, command.finding, command.automation
    ticket_id = finding_ticket_id(command.repository, finding.fingerprint, command.reopened)
    team = automation.into.team or ctx.state.team
    column = find_column(automation, team, world)
    asks, starts = must_ask(finding, automation.start), can_start_itself(finding, automation.start)
    draft = Ticket(id=ticket_id, identifier=Identifier(""), title="", team=team)
    title = sanitize_line(messages.finding_title(finding), find_own(draft, world))
    body = messages.finding_body(
        finding,
        automation.name,
        command.repository,
        command.base_sha,
        previous=command.previous,
        returns=command.returns,
        asks=asks,
        starts=starts,
        names_repository=_has_other_repositories(team, command.repository, world),
    )
    related = [NewRelation(kind="related", ticket_id=ref.id) for ref in _list_related(command)]
    created = world.tracker.create_ticket(
        team,
        withhold_secrets(title, draft, world),
        sanitize_text(body, draft, world),
        ticket_id,
        column=column,
        relations=related,
        priority=PRIORITIES[finding.severity],
    )
    if created.creator and not created.creator.is_us:
        raise Rejected(f"{created.identifier} has the id of a ticket of Loopline and was created by another account")
    problem = _label(created, world)
    link = FindingLink(
        repository=command.repository,
        fingerprint=finding.fingerprint,
        automation=automation.name,
        column=created.column,
        asks=asks,
        starts=starts,
    )
    watch_finding(created, link, world)
    _attach(created.to_reference(), command.repository, finding.fingerprint, automation.name, 1, world.now(), ctx)
    if asks:
        question = sanitize_text(messages.start_question(automation.name), created, world)
        world.tracker.comment(ticket_id, question, question_id(ticket_id))
    status = read_status(created, world.policy.role_of(created))
    if starts and status == "open":
        _start(created, ctx)
    filed = FindingFiled(
        **ctx.build_event_fields("filed"),
        run=command.run,
        fingerprint=finding.fingerprint,
        ticket=created.to_reference(),
        problem=problem,
    )
    if status == "open":
        return (filed,)
    decided = FindingDecided(**ctx.build_event_fields("decided"), ticket=created.to_reference(), status=status)
    return (filed, decided)


def note_finding(command: NoteFinding, ctx: AutomationContext) -> Sequence[AutomationEvent]:
    """Update the attachment, which notifies nobody; a finding that is urgent now gets one comment. A ticket that was
    deleted rejects its finding."""
    ticket, fingerprint = command.ticket, command.fingerprint
    try:
        _attach(ticket, command.repository, fingerprint, command.automation, command.seen, command.at, ctx)
        if command.raised:
            text = messages.raised_message(command.seen)
            ctx.world.tracker.comment(ticket.id, text, derive_id(ticket.id, "urgent"))
    except NotFound:
        fields, reason = ctx.build_event_fields("deleted"), messages.rejection_reason("")
        return (FindingDecided(**fields, ticket=ticket, status="rejected", reason=reason),)
    return ()


def report_finding(command: ReportFinding, ctx: Context) -> None:
    """Deliver a person's decision to the automations of the finding's repository. The mailbox deduplicates it."""
    store = AutomationStore(ctx.world.redis)
    event = FindingDecided(
        event_id=f"{ctx.id}/finding",
        ticket_id=automations_id(store.find_present_name(command.repository)),
        at=ctx.world.now(),
        ticket=command.filed,
        status=command.status,
        reason=command.reason,
        by=command.by,
    )
    store.deliver(event)
    queues.wake_ticket(ctx.world.redis, event.ticket_id)


def watch_finding(ticket: Ticket, link: FindingLink, world: World, events: Sequence[Event] = ()) -> bool:
    """Store the ticket's loop, which is not handed over, so that comments and moves are decided, with missed `events`;
    False, without effect, when it exists."""
    return world.store.restore(Loop(ticket=ticket, finding=link), f"finding:{ticket.id}", (), events)


def question_id(ticket_id: TicketId) -> str:
    """The id of the comment that asks whether to start the work."""
    return derive_id(ticket_id, "question")


def find_column(automation: Automation, team: str, world: World) -> str:
    """The column of the automation's `into`: that of a role, or one of this name. Empty for the team's first one, which
    is triage where the team uses that. Raises `Rejected` for the agent column, which starts work."""
    served, place = world.policy.teams.get(team), automation.origin or "its declaration"
    if served is None:
        raise Rejected(
            f"The automation {automation.name} files into the team {team!r}, which LOOPLINE_TEAMS does not name: "
            f"correct `into.team` in {place}."
        )
    name, columns = automation.into.column, served.board_columns()
    found = next((column for role, column in columns.items() if role == name), "")
    if (found or name) in {columns.get("agent"), served.columns.get("agent")}:
        raise Rejected(
            f"The automation {automation.name} files into the column {name!r}, which starts work: name another one at "
            f"`into` in {place}, and use `start` to begin work."
        )
    return found or ("" if name == "triage" else name)


def _label(created: Ticket, world: World) -> str:
    """Add the label of findings; a sentence if the tracker refuses it, since the ticket is complete without it."""
    try:
        world.tracker.add_label(created, messages.FINDING_LABEL)
    except Unauthorized:
        raise
    except Rejected as error:
        return f"Filed without the label {messages.FINDING_LABEL}: {str(error).rstrip('.')}."
    return ""


def _start(created: Ticket, ctx: AutomationContext) -> None:
    """Put the ticket into the agent column, and hand it over without waiting for the webhook."""
    world = ctx.world
    agent = world.policy.teams[created.team].board_columns().get("agent", "")
    world.tracker.move(created, agent)
    event = TicketMoved(event_id=f"{ctx.id}/started", ticket_id=created.id, at=world.now(), by=world.tracker.viewer())
    if world.store.deliver(event):
        queues.wake_ticket(world.redis, created.id)


def _attach(
    ticket: TicketRef, repository: str, fingerprint: str, automation: str, seen: int, at: float, ctx: AutomationContext
) -> None:
    """The attachment of the finding, upserted by its URL."""
    url = f"{ctx.world.settings.dashboard_url}/automations/{repository}#{fingerprint}"
    facts: dict[str, str | int | float] = {"fingerprint": fingerprint, "automation": automation, "seen": seen}
    ctx.world.tracker.attach(ticket.id, Attachment(url, messages.FINDING_TITLE, messages.seen_line(seen, at), facts))


def _list_related(command: FileFinding) -> list[TicketRef]:
    return [*command.related, *([command.previous] if command.previous else [])]


def _has_other_repositories(team: str, repository: str, world: World) -> bool:
    return any(name.lower() != repository.lower() for name in world.policy.teams[team].repositories)
