"""Reads the sources of a run: items of the code host, the board and the base branch. Called by `perform`.

Idempotent: the items of a run are replaced. A source that cannot be read is a sentence, and the others are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import structlog

from integrations.automation_events import FindingDecided, SourcesRead
from integrations.errors import IntegrationError, NotAttempted, Rejected, Unauthorized, Unavailable
from integrations.findings import SourceItem
from integrations.git.history import ListedCommit
from integrations.git.mirror import Mirror
from integrations.leaks.own import OwnSecrets
from integrations.ports.source_items import (
    DETAIL,
    HOST_SOURCES,
    SUMMARY,
    TITLE,
    SourceQuery,
    SourceReading,
    find_filter_problem,
    rate_labels,
)
from integrations.ports.tracker import TicketSearch
from integrations.request_budget import Priority, use_priority
from integrations.signatures import build_key, sign_facts
from integrations.texts import cut
from integrations.values import CommitSha, Ticket, TicketId, TicketRef
from jobs.effects.automations.context import AutomationContext
from jobs.effects.gather import find_repository
from jobs.effects.texts import WITHHELD
from jobs.loop.automation import SourceSpec
from jobs.loop.automation_commands import ReadSources
from jobs.runtime.disk import check_disk
from jobs.store.automations import AutomationStore
from jobs.store.problems import list_known_problems
from jobs.store.source_items import SourceItems
from jobs.workflow.finding_reports import read_present_status

READ_BY_TRIAGE = frozenset({"command", "tool"})
"""Kinds that the triage run reads itself, in its sandbox or through a connector."""
MOST_DIFFS, DIFF_BYTES = 30, 5_000
_CLOSED = frozenset({"completed", "canceled", "duplicate"})
_log = structlog.get_logger(__name__)


def read_sources(command: ReadSources, ctx: AutomationContext) -> Sequence[FindingDecided | SourcesRead]:
    """Read and store the items, and compare the known findings with their tickets. Raises `Unavailable` without the
    base branch, `Unauthorized` for credentials that are refused, `NotAttempted` while no request is sent."""
    mirror, sha = _fetch_base(command, ctx)
    reading = _Reading(command, ctx, mirror, sha)
    with use_priority(Priority.BACKGROUND):
        for source in command.automation.sources:
            if source.kind not in READ_BY_TRIAGE:
                reading.add(source)
        decided = list(reading.list_decisions())
    secrets = OwnSecrets(ctx.world.settings.secret_values())
    items = [_withhold_secrets(item, secrets) for item in reading.items]
    if over := SourceItems(ctx.world.redis).keep(command.run, items):
        reading.problems.append(f"The sources have {over} more items than fit: the least urgent ones were left out.")
    read = SourcesRead(
        **ctx.build_event_fields("read"),
        run=command.run,
        base_sha=sha,
        items=len({item.key for item in items}) - over,
        commands=sum(source.kind in READ_BY_TRIAGE for source in command.automation.sources),
        problems=tuple(reading.problems),
        complete=reading.is_complete,
    )
    return (*decided, read)


def _fetch_base(command: ReadSources, ctx: AutomationContext) -> tuple[Mirror, CommitSha]:
    """The mirror with the present base branch, which the triage run reads too."""
    world = ctx.world
    check_disk(world.disk.read(), world.settings, world.redis, begins=False)
    found = find_repository(command.repository, world.code_host)
    credentials = world.code_host.git_credentials(command.repository)
    mirror = world.mirror(command.repository, found.clone_url, credentials)
    branch = command.base_branch or found.default_branch
    mirror.fetch(branch)
    return mirror, mirror.head(branch)


class _Reading:
    """The items and problems so far; `is_complete`: no source was unavailable."""

    def __init__(self, command: ReadSources, ctx: AutomationContext, mirror: Mirror, sha: CommitSha) -> None:
        self.command, self.ctx, self.mirror, self.sha = command, ctx, mirror, sha
        self.items: list[SourceItem] = []
        self.problems: list[str] = []
        self.is_complete = True

    def add(self, source: SourceSpec) -> None:
        """Read one source."""
        name = source.name or source.kind
        if problem := find_filter_problem(source.kind, source.filter):
            self.problems.append(f"The source {name} was not read: {problem}.")
            return
        query = SourceQuery(
            kind=source.kind,
            repository=self.command.repository,
            branch=self.command.base_branch,
            since=self.command.since,
            now=self.ctx.world.now(),
            filter=source.filter,
            limit=source.limit,
        )
        with self._noting_problems(f"The source {name} was not read"):
            reading = self._find_reader(source.kind)(query)
            self.items += reading.items
            notes = reading.notes if reading.items else ()
            self.problems += [
                f"The source {name} was read in part: {one.rstrip('.')}." for one in (*reading.problems, *notes)
            ]

    def list_decisions(self) -> Iterator[FindingDecided]:
        """An event for each known finding whose ticket shows another status."""
        known = {one.ticket.id: one for one in self.ctx.state.findings if one.ticket}
        store, policy = self.ctx.world.store, self.ctx.world.policy
        tickets: list[Ticket] = []
        with self._noting_problems("The tickets of known findings were not read"):
            tickets += self.ctx.world.tracker.fetch_many([ref.id for ref in self.command.known])
        for ticket in tickets:
            finding = known.get(ticket.id)
            if finding is None:
                continue
            filed_in = finding.ticket.column if finding.ticket else ""
            status = read_present_status(ticket, store.load(ticket.id), finding.status, policy, filed_in)
            if status != finding.status:
                reason = f"Its ticket was moved to {ticket.column}." if status == "rejected" else ""
                fields = self.ctx.build_event_fields(f"decided/{ticket.id}/{status}")
                ref = replace(finding.ticket or _refer(ticket), column=ticket.column)
                yield FindingDecided(**fields, ticket=ref, status=status, reason=reason)

    @contextmanager
    def _noting_problems(self, subject: str) -> Iterator[None]:
        """Turn a failure of one source into a sentence."""
        try:
            yield
        except (NotAttempted, Unauthorized):
            raise
        except IntegrationError as error:
            again = "; the next run reads from the same time" if isinstance(error, Unavailable) else ""
            self.is_complete &= not isinstance(error, Unavailable)
            self.problems.append(f"{subject}: {str(error).rstrip('.')}{again}.")
            _log.warning("source not read", automation=self.command.automation.name, reason=str(error))

    def _find_reader(self, kind: str) -> Callable[[SourceQuery], SourceReading]:
        if kind in HOST_SOURCES:
            return self.ctx.world.code_host.read_source
        return {"commits": self._read_commits, "tickets": self._read_tickets}[kind]

    def _read_commits(self, query: SourceQuery) -> SourceReading:
        """New commits of the base branch, with the size of each change, and the changes of the newest ones."""
        most = query.limit if not query.names("author") else 10 * query.limit
        found = self.mirror.list_commits(self.sha, query.since, most + 1, query.filter.get("path", ""))
        chosen = [one for one in found if query.matches("author", one.author, one.email)]
        page, items = f"{self.ctx.world.code_host.page_url(query.repository)}/commit", list[SourceItem]()
        for number, one in enumerate(chosen[: query.limit]):
            diff = self.mirror.diff(one.parent, one.sha, DIFF_BYTES) if number < MOST_DIFFS and one.parent else ""
            items.append(_to_commit(one, page, diff))
        note = (f"there are more than {query.limit} commits",) if len(chosen) > query.limit else ()
        return SourceReading(tuple(items), notes=note)

    def _read_tickets(self, query: SourceQuery) -> SourceReading:
        """Tickets of the team, open ones unless the filter names columns; not those that Loopline wrote itself."""
        given, own = query.filter, self._list_own_tickets()
        columns = tuple(name.strip() for name in given.get("columns", "").split(",") if name.strip())
        policy = self.ctx.world.policy
        team = given.get("team") or policy.team_of_repository(query.repository)
        if team not in policy.teams:
            raise Rejected(f"the team {team!r} is not in LOOPLINE_TEAMS, which has {', '.join(policy.teams)}")
        search = TicketSearch(
            team=team,
            columns=columns,
            labels=query.names("labels"),
            project=given.get("project", ""),
            since=0.0 if given.get("changed") == "any" else query.since,
        )
        found = self.ctx.world.tracker.find_tickets(search, 2 * query.limit + len(own))
        wanted = [one for one in found if one.id not in own and (columns or one.column_type not in _CLOSED)]
        note = (f"there are more than {query.limit} tickets",) if len(wanted) > query.limit else ()
        return SourceReading(tuple(_to_ticket(one) for one in wanted[: query.limit]), notes=note)

    def _list_own_tickets(self) -> set[TicketId]:
        """Those of findings and memories, also of other repositories of the team, and of problems."""
        redis = self.ctx.world.redis
        states = [self.ctx.state, *AutomationStore(redis).states()]
        refs = [ref for state in states for ref in (state.memory_ticket, *(one.ticket for one in state.findings))]
        return {ref.id for ref in refs if ref} | {one.ticket_id for one in list_known_problems(redis)}


def _to_commit(one: ListedCommit, page: str, diff: str) -> SourceItem:
    added, removed = sum(plus for _, plus, _ in one.files), sum(minus for _, _, minus in one.files)
    files = "\n".join(f"{path} +{plus} -{minus}" for path, plus, minus in one.files)
    return SourceItem(
        key=build_key("commit", one.sha),
        kind="commit",
        title=cut(one.subject, TITLE),
        url=f"{page}/{one.sha}",
        at=one.at,
        summary=cut(f"by {one.author}; {len(one.files)} files, +{added} -{removed}", SUMMARY),
        detail=cut(f"{one.message}\n\n{files}\n\n{diff}", DETAIL),
        signature=sign_facts(one.sha),
        severity="low",
    )


def _to_ticket(one: Ticket) -> SourceItem:
    labels = f"; labels: {', '.join(one.labels)}" if one.labels else ""
    project = f"; project: {one.project}" if one.project else ""
    return SourceItem(
        key=build_key("ticket", one.id),
        kind="ticket",
        title=cut(f"{one.identifier} {one.title}", TITLE),
        url=one.url,
        at=one.updated_at,
        summary=cut(f"in {one.column}{labels}{project}", SUMMARY),
        signature=sign_facts(one.title, one.column),
        severity="urgent" if one.priority == 1 else rate_labels(one.labels),
    )


def _refer(ticket: Ticket) -> TicketRef:
    return TicketRef(id=ticket.id, identifier=ticket.identifier, title=ticket.title)


def _withhold_secrets(item: SourceItem, own: OwnSecrets) -> SourceItem:
    """The item without its texts if they hold a secret of this process."""
    if not own.occur_in("\n".join((item.title, item.summary, item.detail, item.url)).encode()):
        return item
    return replace(item, title=item.key, url="", summary=WITHHELD, detail="")
