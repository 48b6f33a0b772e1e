"""Performers of the agents' reading tools: tickets, checks, other repositories, the code host's index, databases.

Called by `jobs.serve_request` in a worker. Each reads only what belongs to the run's team, and returns bounded text,
which the asker fences.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from integrations.databases import query as databases
from integrations.errors import NotFound
from integrations.git.mirror import Mirror
from integrations.ports.tracker import TicketSearch
from integrations.texts import cut, show_hidden_markup
from integrations.values import Ticket, TicketId
from jobs.effects.answering import Performer
from jobs.effects.ci import choose_newest, redact
from jobs.effects.gather import find_repository
from jobs.effects.world import World
from jobs.loop.commands import RunSpec
from jobs.loop.tools_policy import ToolName
from jobs.runtime.requests import Answer, Request
from jobs.workflow import ServicePolicy

MOST_TICKETS, MOST_COMMENTS, MOST_FILES, MOST_LINES, MOST_MATCHES = 20, 30, 200, 100, 20
COMMENT_CHARACTERS, TICKET_CHARACTERS, FILE_CHARACTERS, LINE_CHARACTERS = 1_500, 6_000, 15_000, 300


def find_team(spec: RunSpec, policy: ServicePolicy) -> str:
    """The team of the run's ticket, or for a run without one the first team with its repository; empty without one."""
    if spec.ticket.team in policy.teams:
        return spec.ticket.team
    return policy.team_of_repository(spec.workspace.repository)


def list_other_repositories(spec: RunSpec, policy: ServicePolicy) -> tuple[str, ...]:
    """The team's repositories but for that of the run."""
    team = policy.teams.get(find_team(spec, policy))
    return tuple(name for name in team.repositories if name != spec.workspace.repository) if team else ()


def read_tickets(request: Request, spec: RunSpec, world: World) -> Answer:
    """One ticket with its comments, or the newest that match."""
    given, team = request.arguments, find_team(spec, world.policy)
    if not given["ticket"]:
        found = world.tracker.find_tickets(TicketSearch(team=team, text=given["search"]), MOST_TICKETS)
        lines = [f"{one.identifier} [{one.column}] {one.title}" for one in found]
        return Answer(text="\n".join(lines) or "No ticket of the team matches.")
    try:
        ticket = world.tracker.fetch(TicketId(given["ticket"]))
    except NotFound:
        ticket = None
    if ticket is None or ticket.team != team or ticket.trashed:
        return Answer(text=f"The team {team} has no ticket {given['ticket']}.", is_error=True)
    return Answer(text=_format_ticket(ticket, world))


def _format_ticket(ticket: Ticket, world: World) -> str:
    head = f"{ticket.identifier} [{ticket.column}] {ticket.title}"
    labels = [f"Labels: {', '.join(ticket.labels)}"] if ticket.labels else []
    comments = list(world.tracker.comments(ticket.id))
    shown = [
        f"--- {one.author.name or 'unknown'}, {one.created_at}\n{cut(one.body, COMMENT_CHARACTERS)}"
        for one in comments[-MOST_COMMENTS:]
    ]
    left_out = [f"({len(comments) - MOST_COMMENTS} older comments left out)"] if len(comments) > MOST_COMMENTS else []
    text = [cut(ticket.description, TICKET_CHARACTERS)] if ticket.description else []
    return show_hidden_markup("\n\n".join([head, *labels, *text, *left_out, *shown]))


def read_ci_log(request: Request, spec: RunSpec, world: World) -> Answer:
    """The checks of the pushed branch or of the base branch, or the details of one that failed, without secrets. A run
    of an automation gets those of the base branch."""
    given, repository, host = request.arguments, spec.workspace.repository, world.code_host
    is_own = given["commit"] == "branch" and spec.triage is None  # an automation has no branch
    sha = spec.pushed_sha if is_own else host.branch_head(repository, spec.workspace.base_branch)
    if not sha:
        return Answer(text="There is no such commit yet: nothing was pushed.", is_error=True)
    checks = choose_newest(host.fetch_checks(repository, sha))
    if not given["check"]:
        lines = [f"{one.name}{f' ({one.group})' if one.group else ''}: {one.conclusion}" for one in checks]
        return Answer(text="\n".join(lines) or f"There are no checks at {sha[:7]}.")
    chosen = [one for one in checks if one.name == given["check"]]
    if not chosen:
        names = ", ".join(one.name for one in checks) or "none"
        return Answer(text=f"There is no check {given['check']!r} at {sha[:7]}; there are: {names}.", is_error=True)
    failures = [redact(one, world) for one in host.fetch_failures(repository, chosen)]
    parts = [
        "\n".join(filter(None, (f"{one.name}: {one.conclusion}, step {one.step or '?'}", *one.annotations, one.log)))
        for one in failures
    ]
    notes = [one.note for one in failures if one.note]
    return Answer(text="\n\n".join([*parts, *notes]) or f"{given['check']}: {chosen[0].conclusion}, no log to show.")


def read_repository(request: Request, spec: RunSpec, world: World) -> Answer:
    """The list of repositories, a folder, a file, or the lines with a text, at the default branch."""
    given, others = request.arguments, list_other_repositories(spec, world.policy)
    if not given["repository"]:
        return Answer(text="\n".join(others) or "The team has no other repository.")
    if refusal := _refuse_foreign(given["repository"], others):
        return refusal
    found = find_repository(given["repository"], world.code_host)
    mirror = world.mirror(found.name, found.clone_url, world.code_host.git_credentials(found.name))
    mirror.fetch(found.default_branch)
    branch, path = found.default_branch, given["path"].strip("/")
    if given["search"]:
        lines = mirror.search(branch, given["search"], path, MOST_LINES)
        return Answer(text="\n".join(cut(line, LINE_CHARACTERS) for line in lines) or "No line contains this text.")
    if path and (text := mirror.read(branch, path)) is not None:
        return Answer(text=cut(text, FILE_CHARACTERS))
    return _list_folder(mirror, branch, path)


def _list_folder(mirror: Mirror, branch: str, path: str) -> Answer:
    files = mirror.files(branch, *([path] if path else []))
    if not files:
        return Answer(text=f"There is no file or folder {path or '/'} at the branch {branch}.", is_error=True)
    more = [f"({len(files) - MOST_FILES} more files)"] if len(files) > MOST_FILES else []
    return Answer(text="\n".join([*files[:MOST_FILES], *more]))


def search_code(request: Request, spec: RunSpec, world: World) -> Answer:
    """Files of the team's repositories in the code host's index, with the matching lines."""
    given, others = request.arguments, list_other_repositories(spec, world.policy)
    everywhere = tuple(filter(None, (spec.workspace.repository, *others)))
    if given["repository"] and (refusal := _refuse_foreign(given["repository"], everywhere)):
        return refusal
    names = (given["repository"],) if given["repository"] else everywhere
    found = world.code_host.search_code(names, given["text"], MOST_MATCHES)
    lines = [f"{one.repository}: {one.path}" for one in found]
    return Answer(text="\n".join(lines) or "The index has no file with this text.")


def query_database(request: Request, spec: RunSpec, world: World) -> Answer:
    """The rows as JSON, one array per line, the names of the columns first."""
    name, known = request.arguments["database"], world.policy.list_databases(spec.workspace.repository, spec.role)
    if name not in known:
        text = f"This run has no permission for a database {name!r}; there are: {', '.join(known) or 'none'}."
        return Answer(text=text, is_error=True)
    database = world.settings.databases[name]
    url = database.url.get_secret_value()
    result = databases.query_database(url, request.arguments["sql"], database.rows, database.seconds)
    lines = [json.dumps(row, ensure_ascii=False) for row in (result.columns, *result.rows)]
    return Answer(text="\n".join([*lines, *(["(more rows left out)"] if result.has_more else [])]))


def _refuse_foreign(repository: str, known: Sequence[str]) -> Answer | None:
    if repository in known:
        return None
    text = f"{repository} is not a repository of this team; there are: {', '.join(known) or 'no others'}."
    return Answer(text=text, is_error=True)


def _permitted(name: ToolName, perform: Performer) -> Performer:
    """The performer, for runs whose role has this tool. The asker offers no other one; this does not rely on that."""

    def check(request: Request, spec: RunSpec, world: World) -> Answer:
        if name not in spec.policy.loop.tools.of_role(spec.role):
            return Answer(text=f"The {spec.role} has no permission for {name}: see loop.tools.", is_error=True)
        return perform(request, spec, world)

    return check


PERFORMERS: Mapping[str, Performer] = {
    "read_tickets": _permitted("read_tickets", read_tickets),
    "read_ci_log": _permitted("read_ci_log", read_ci_log),
    "read_repository": _permitted("read_repository", read_repository),
    "search_code": _permitted("search_code", search_code),
    "query_database": _permitted("query_database", query_database),
}
"""By kind of request."""
