"""Linear's part of `loopline init` and `loopline doctor`: probes, and changes of a team and its webhook.

Columns and webhooks need an administrator of the workspace; a refusal names the page on which a person does the same.
Source: Linear's published schema, and linear.app/developers/webhooks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from integrations.errors import IntegrationError, Rejected, Unauthorized
from integrations.paging import PageBounds
from integrations.ports.setup import (
    Finding,
    ProbeScope,
    Team,
    found_ok,
    found_problem,
    found_warning,
)
from integrations.ports.tracker import ColumnRole
from integrations.trackers.linear.client import LinearClient
from integrations.trackers.linear.responses import Connection, NamedNode, Node, NodeT, StateNode, parse_response

RESOURCES = ("Issue", "Comment", "Reaction")
"""Entities whose changes Loopline needs."""
PATH = "/webhooks/linear"
WEBHOOK_PAGE = "Linear, Settings → API → Webhooks"
COLUMN_PAGE = "Linear, Settings → Teams → the team → Workflow"
_TYPES: Mapping[ColumnRole, str] = {
    "agent": "unstarted",
    "working": "started",
    "review": "started",
    "needs_human": "started",
    "done": "completed",
    "triage": "backlog",
}
_COLOR = "#5e6ad2"


class _AccountNode(Node):
    name: str = ""
    app: bool = False
    guest: bool = True
    admin: bool = False
    active: bool = False


class _MemberNode(Node):
    name: str = ""
    active: bool = True
    guest: bool = False
    app: bool = False


class _ColumnNode(StateNode):
    position: float = 0.0


class _AutomationNode(Node):
    """A Git automation: a pull request at `event` moves its tickets to `state`, None for no move."""

    event: str = ""
    state: StateNode | None = None


class _TeamNode(Node):
    id: str
    key: str
    states: Connection[_ColumnNode]
    git_automation_states: Connection[_AutomationNode] = Connection()


class _WebhookNode(Node):
    id: str
    url: str = ""
    enabled: bool = False
    secret: str = ""
    resource_types: tuple[str, ...] = ()
    all_public_teams: bool = False
    team: NamedNode | None = None

    def covers(self, team: str) -> bool:
        """Whether it is sent for changes of this team, as far as its fields show."""
        return self.all_public_teams or self.team is None or self.team.key == team


class LinearSetup:
    """`TrackerSetup` of Linear; the Protocol documents the methods without a docstring."""

    def __init__(self, client: LinearClient) -> None:
        self._client = client

    def describe_account(self) -> str:
        account = self._read(_AccountNode, "Account", "viewer")
        kind = "an app" if account.app else "a guest" if account.guest else "an admin" if account.admin else "a member"
        return f"{account.name}, {kind}" + ("" if account.active else ", deactivated")

    def list_teams(self) -> Sequence[Team]:
        return sorted(
            (Team(node.key, node.name) for node in self._list(Connection[NamedNode], "VisibleTeams", "teams")),
            key=lambda team: team.key,
        )

    def list_columns(self, team: str) -> Sequence[str]:
        return [state.name for state in self._list_states(team)]

    def create_column(self, team: str, role: ColumnRole, name: str) -> None:
        found = self._find_team(team)
        kind = _TYPES[role]
        last = max((state.position for state in found.states.nodes if state.type == kind), default=0.0)
        column = {"name": name, "type": kind, "color": _COLOR, "position": last + 1.0}
        self._change("CreateColumn", COLUMN_PAGE, teamId=found.id, **column)

    def has_label(self, team: str, name: str) -> bool:
        data = self._client.run("LabelNamed", name=name, team=team)
        return bool(parse_response(Connection[NamedNode], "LabelNamed", data, ["issueLabels"]).nodes)

    def create_label(self, team: str, name: str) -> None:
        self._change("CreateTeamLabel", "Linear, Settings → Labels", teamId=self._find_team(team).id, name=name)

    def ensure_webhook(self, team: str, url: str, secret: str) -> str:
        for hook in self._list(Connection[_WebhookNode], "Webhooks", "webhooks"):
            if hook.url == url and hook.covers(team):
                if not hook.enabled:
                    raise Rejected(f"the webhook to {url} is disabled: enable it in {WEBHOOK_PAGE}")
                return hook.secret or secret
        team_id = self._find_team(team).id
        given = {"url": url, "secret": secret, "resourceTypes": list(RESOURCES)}
        self._change("CreateWebhook", WEBHOOK_PAGE, teamId=team_id, **given)
        return secret

    def probe(self, scope: ProbeScope) -> Iterator[Finding]:
        """Probe the credential, each team's columns, and the webhook."""
        try:
            yield found_ok("Linear", f"signed in as {self.describe_account()}")
        except IntegrationError as error:
            yield found_problem("Linear", str(error))
            if isinstance(error, Unauthorized):
                return
        for team, columns in scope.teams.items():
            yield from self._probe_team(team, columns)
        yield from self._probe_webhooks(scope.teams)
        for variable, addresses in scope.people.items():
            for address in addresses:
                yield from self._probe_person(variable, address)

    def _probe_person(self, variable: str, address: str) -> Iterator[Finding]:
        """The member with this address, who has a permission by it."""
        subject = f"Linear, {variable}"
        try:
            data = self._client.run("UserWithEmail", email=address)
            found = parse_response(Connection[_MemberNode], "UserWithEmail", data, ["users"]).nodes
        except IntegrationError as error:
            yield found_warning(subject, f"{address} cannot be looked up ({error})")
            return
        member = found[0] if found and found[0].active else None
        if member is None:
            text = f"no active member of the board has the address {address}"
            yield found_problem(subject, text, "correct the address, or invite the person")
        elif member.guest or member.app:
            text = f"{address} is {'a guest' if member.guest else 'an app'}, which has no permission"
            yield found_problem(subject, text, "name another person")
        else:
            yield found_ok(subject, f"{address} is {member.name}")

    def _probe_team(self, team: str, columns: Mapping[str, str]) -> Iterator[Finding]:
        subject = f"Linear, team {team}"
        try:
            found = self._find_team(team)
        except IntegrationError as error:
            yield found_problem(subject, str(error), "correct LOOPLINE_TEAMS, or add the account to the team")
            return
        present = [state.name for state in sorted(found.states.nodes, key=lambda state: state.position)]
        missing = [name for name in columns.values() if name not in present]
        if missing:
            names = ", ".join(repr(name) for name in missing)
            fix = f"add {names} in {COLUMN_PAGE}, run loopline init, or name other columns in LOOPLINE_TEAMS"
            yield found_problem(subject, f"has no column {names}; its columns are {', '.join(present)}", fix)
        else:
            yield found_ok(subject, f"has the columns {', '.join(columns.values())}")
        yield from _probe_automations(subject, found, columns)

    def _probe_webhooks(self, teams: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
        subject = "Linear, webhook"
        try:
            hooks = [
                hook for hook in self._list(Connection[_WebhookNode], "Webhooks", "webhooks") if hook.url.endswith(PATH)
            ]
        except Unauthorized as error:
            yield found_problem(subject, str(error))
            return
        except IntegrationError as error:
            reason = f"cannot be listed with this credential ({error})"
            yield found_warning(subject, reason, f"look at {WEBHOOK_PAGE}, or use the key of an administrator")
            return
        for team in teams:
            sent = [hook for hook in hooks if hook.covers(team)]
            if not sent:
                fix = f"run loopline init, or create one to https://<your host>{PATH} in {WEBHOOK_PAGE}"
                yield found_problem(subject, f"there is none to …{PATH} for the team {team}", fix)
            elif not (enabled := [hook for hook in sent if hook.enabled]):
                text = f"the one to {sent[0].url} is disabled; Linear does that after failed deliveries"
                yield found_problem(subject, text, f"enable it in {WEBHOOK_PAGE}")
            elif missing := set(RESOURCES).difference(*(hook.resource_types for hook in enabled)):
                text = f"the one to {enabled[0].url} does not send {', '.join(sorted(missing))}"
                yield found_problem(subject, text, f"select the missing data change events in {WEBHOOK_PAGE}")
            else:
                yield found_ok(subject, f"{team} is sent to {enabled[0].url}")

    def _list_states(self, team: str) -> list[_ColumnNode]:
        return sorted(self._find_team(team).states.nodes, key=lambda state: state.position)

    def _find_team(self, team: str) -> _TeamNode:
        data = self._client.run("TeamToSetUp", key=team)
        nodes = parse_response(Connection[_TeamNode], "TeamToSetUp", data, ["teams"]).nodes
        if not nodes:
            visible = ", ".join(f"{one.key} ({one.name})" for one in self.list_teams()) or "no team"
            raise Rejected(f"Linear team {team!r} not found with this credential, which can see {visible}")
        return nodes[0]

    def _read(self, model: type[NodeT], operation: str, field: str) -> NodeT:
        return parse_response(model, operation, self._client.run(operation), [field])

    def _list(self, model: type[Connection[NodeT]], operation: str, field: str) -> Iterator[NodeT]:
        after, bounds = "", PageBounds(f"Linear's response to {operation}", "")
        while True:
            page = parse_response(model, operation, self._client.run(operation, after=after or None), [field])
            yield from page.nodes
            if not page.page_info.has_next_page:
                return
            after = page.page_info.end_cursor
            bounds.check(page.nodes, after)

    def _change(self, operation: str, page: str, **variables: object) -> None:
        try:
            data = self._client.run(operation, **variables)
        except Unauthorized:
            raise
        except Rejected as error:
            raise Rejected(f"{error}. Do it by hand in {page}, or use the key of an administrator") from error
        if not all(isinstance(payload, dict) and payload.get("success") is True for payload in data.values()):
            raise Rejected(f"Linear rejected {operation} without a reason")


def _probe_automations(subject: str, team: _TeamNode, columns: Mapping[str, str]) -> Iterator[Finding]:
    """Linear's own Git automations. Loopline leaves a ticket where they put it, but for the agent column, into which
    only a move by a person hands a ticket over."""
    moves = [(one.event, one.state.name) for one in team.git_automation_states.nodes if one.state]
    for event, column in moves:
        if column == columns.get("agent"):
            text = f"Linear's Git automation moves tickets to the agent column {column!r} (event {event})"
            yield found_warning(subject, text, f"choose another column in {COLUMN_PAGE}, Git")
    others = [f"{column!r} (event {event})" for event, column in moves if column not in columns.values()]
    if others:
        yield found_ok(
            subject, f"Linear's Git automation moves tickets to {', '.join(others)}, where Loopline leaves them"
        )
