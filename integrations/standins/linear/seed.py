"""Turns a seed file into the first rows of a workspace. Pure; called once per start by the server.

Ids are derived from the names in the seed, so the same seed gives the same ids on every machine. Tokens are not stored
in the rows. The format:

    {"organization": {"name", "urlKey"},
     "users": [{"name", "email", "app"?, "admin"?, "guest"?, "active"?, "token"}],
     "teams": [{"key", "name", "states": [{"name", "type", "position"?, "color"?}], "labels"?: [{"name"}],
                "gitAutomations"?: {event: state}}],
     "projects"?: [{"name"}],
     "issues": [{"team", "title", "description"?, "state", "at"?}]}
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from integrations.standins.linear.context import new_row
from integrations.standins.linear.store import Row

GREY = "#bec2c8"
ENTITIES = ("Issue", "Comment", "Reaction")
APP_EVENTS = ("AgentSessionEvent", "AppUserNotification")
STATE_TYPES = ("triage", "backlog", "unstarted", "started", "completed", "canceled", "duplicate")
# Columns of a new issue.
ISSUE: Mapping[str, Any] = {
    "priority": 0, "labelIds": [], "subscriberIds": [], "trashed": None, "dueDate": None, "parentId": None,
    "projectId": None, "assigneeId": None, "delegateId": None,
}  # fmt: skip


def stable_id(*names: str) -> str:
    """A UUID in the form of version 4 that is always the same for the same names."""
    return str(uuid.UUID(bytes=hashlib.sha256("\0".join(names).encode()).digest()[:16], version=4))


def tokens(seed: Mapping[str, Any]) -> dict[str, str]:
    """User id by token."""
    return {user["token"]: stable_id("User", user["email"]) for user in seed["users"] if user.get("token")}


def seed_rows(seed: Mapping[str, Any], now: Callable[[], str]) -> Iterator[Row]:
    """All rows of the seed. Raises `ValueError` when an issue names a state that its team does not have."""
    organization = {"name": "Acme", "urlKey": "acme", **seed.get("organization", {})}
    yield new_row("Organization", stable_id("Organization", organization["urlKey"]), now(), **organization)
    for user in seed["users"]:
        yield _user(user, now())
    for project in seed.get("projects", []):
        yield new_row("Project", stable_id("Project", project["name"]), now(), name=project["name"])
    for team in seed["teams"]:
        yield from _team(team, seed.get("issues", []), now)
    numbers: dict[str, int] = {}
    for issue in seed.get("issues", []):
        numbers[issue["team"]] = numbers.get(issue["team"], 0) + 1
        yield _issue(seed, issue, numbers[issue["team"]], issue.get("at") or now())


def webhook_row(url: str, secret: str, at: str) -> Row:
    """A subscription to all teams' issues, comments and reactions, and to an app's own events."""
    kinds = [*ENTITIES, *APP_EVENTS]
    scope = {"enabled": True, "allPublicTeams": True, "teamId": None, "resourceTypes": kinds, "label": None}
    return new_row("Webhook", stable_id("Webhook", url), at, url=url, secret=secret, **scope)


def _user(user: Mapping[str, Any], at: str) -> Row:
    flags = {name: bool(user.get(name, False)) for name in ("app", "admin", "guest")}
    names = {"name": user["name"], "email": user["email"], "displayName": user["name"].split()[0].lower()}
    return new_row(
        "User", stable_id("User", user["email"]), at, **names, **flags, active=bool(user.get("active", True))
    )


def _team(team: Mapping[str, Any], issues: list[Mapping[str, Any]], now: Callable[[], str]) -> Iterator[Row]:
    key, team_id = team["key"], stable_id("Team", team["key"])
    count = sum(issue["team"] == key for issue in issues)
    yield new_row("Team", team_id, now(), key=key, name=team["name"], issueCount=count)
    for index, state in enumerate(team["states"]):
        if state["type"] not in STATE_TYPES:
            name, kind = state["name"], state["type"]
            raise ValueError(f"state {name!r} of team {key} has type {kind!r}; use one of {STATE_TYPES}")
        columns = {"name": state["name"], "type": state["type"], "teamId": team_id, "color": state.get("color", GREY)}
        row_id, position = stable_id("WorkflowState", key, state["name"]), float(state.get("position", index))
        yield new_row("WorkflowState", row_id, now(), **columns, position=position)
    for event, state in team.get("gitAutomations", {}).items():
        columns = {"event": event, "stateId": stable_id("WorkflowState", key, state), "teamId": team_id}
        yield new_row("GitAutomationState", stable_id("GitAutomationState", key, event), now(), **columns)
    for label in team.get("labels", []):
        columns = {"name": label["name"], "color": GREY, "parentId": None, "teamId": team_id}
        yield new_row("IssueLabel", stable_id("IssueLabel", key, label["name"]), now(), **columns)


def _issue(seed: Mapping[str, Any], issue: Mapping[str, Any], number: int, at: str) -> Row:
    key, state = issue["team"], issue["state"]
    if state not in {one["name"] for team in seed["teams"] if team["key"] == key for one in team["states"]}:
        raise ValueError(f"an issue of the seed names the state {state!r}, which team {key!r} does not have")
    creator = next(user["email"] for user in seed["users"] if not user.get("app"))
    return new_row(
        "Issue",
        stable_id("Issue", key, str(number)),
        at,
        **ISSUE,
        number=number,
        title=issue["title"],
        description=issue.get("description", ""),
        teamId=stable_id("Team", key),
        stateId=stable_id("WorkflowState", key, state),
        creatorId=stable_id("User", creator),
        sortOrder=float(-number),
    )
