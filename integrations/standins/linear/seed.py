"""Turns a seed file into the first rows of a workspace. Pure: called once per start by the server.

Ids come from the seed's own names, so that the same seed gives the same ids on every machine. Tokens stay out of the
rows. The format:

    {"organization": {"name", "urlKey"},
     "users": [{"name", "email", "displayName"?, "app"?, "admin"?, "guest"?, "active"?, "token"}],
     "teams": [{"key", "name", "states": [{"name", "type", "position"?, "color"?}], "labels"?: [{"name", "color"?}]}],
     "issues": [{"team", "title", "description"?, "state"?, "labels"?: [name], "assignee"?: email, "creator"?: email,
                 "priority"?}]}
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from integrations.standins.linear.store import Row

COLORS = {"started": "#f2c94c", "completed": "#5e6ad2", "canceled": "#95a2b3", "triage": "#fc7840"}
GREY = "#bec2c8"
ENTITIES = ("Issue", "Comment", "IssueLabel", "Attachment", "Reaction")
STATE_TYPES = ("triage", "backlog", "unstarted", "started", "completed", "canceled", "duplicate")


def stable_id(*names: str) -> str:
    """A UUID in the form of version 4 that is always the same for the same names."""
    return str(uuid.UUID(bytes=hashlib.sha256("\0".join(names).encode()).digest()[:16], version=4))


def tokens(seed: Mapping[str, Any]) -> dict[str, str]:
    """User id by token."""
    return {user["token"]: stable_id("User", user["email"]) for user in seed["users"] if user.get("token")}


def seed_rows(seed: Mapping[str, Any], now: Callable[[], str]) -> Iterator[Row]:
    """All rows of the seed. Raises `ValueError` when an issue names a team, state or person that is not there."""
    organization = {"name": "Acme", "urlKey": "acme", **seed.get("organization", {})}
    yield _row("Organization", now(), stable_id("Organization", organization["urlKey"]), **organization)
    for user in seed["users"]:
        yield _user(user, now())
    for team in seed["teams"]:
        yield from _team(team, seed.get("issues", []), now)
    numbers: dict[str, int] = {}
    for issue in seed.get("issues", []):
        numbers[issue["team"]] = numbers.get(issue["team"], 0) + 1
        yield _issue(seed, issue, numbers[issue["team"]], now())


def webhook_row(url: str, secret: str, at: str) -> Row:
    """A subscription to every entity of every team, given at start and not by `webhookCreate`."""
    about = {"url": url, "label": None, "enabled": True, "secret": secret, "resourceTypes": list(ENTITIES)}
    return _row("Webhook", at, stable_id("Webhook", url), **about, allPublicTeams=True, teamId=None, creatorId=None)


def _row(kind: str, at: str, row_id: str, **columns: Any) -> Row:
    return {"__typename": kind, "id": row_id, "createdAt": at, "updatedAt": at, "archivedAt": None, **columns}


def _user(user: Mapping[str, Any], at: str) -> Row:
    flags = {name: bool(user.get(name, False)) for name in ("app", "admin", "guest")}
    return _row(
        "User",
        at,
        stable_id("User", user["email"]),
        name=user["name"],
        email=user["email"],
        displayName=user.get("displayName") or user["name"].split()[0].lower(),
        active=bool(user.get("active", True)),
        **flags,
    )


def _team(team: Mapping[str, Any], issues: list[Mapping[str, Any]], now: Callable[[], str]) -> Iterator[Row]:
    key, team_id = team["key"], stable_id("Team", team["key"])
    count = sum(issue["team"] == key for issue in issues)
    yield _row("Team", now(), team_id, key=key, name=team["name"], visibility="public", issueCount=count)
    for index, state in enumerate(team["states"]):
        if state["type"] not in STATE_TYPES:
            raise ValueError(
                f"state {state['name']!r} of team {key} has type {state['type']!r}; use one of {STATE_TYPES}"
            )
        look = {"position": float(state.get("position", index)), "color": state.get("color") or _color(state["type"])}
        names = {"name": state["name"], "type": state["type"], "teamId": team_id}
        yield _row("WorkflowState", now(), stable_id("WorkflowState", key, state["name"]), **names, **look)
    for name, color in _labels(team, issues).items():
        look = {"name": name, "color": color, "isGroup": False, "parentId": None}
        yield _row("IssueLabel", now(), stable_id("IssueLabel", key, name), **look, teamId=team_id)


def _color(state_type: str) -> str:
    return COLORS.get(state_type, GREY)


def _labels(team: Mapping[str, Any], issues: list[Mapping[str, Any]]) -> dict[str, str]:
    """Colour by name: the team's own labels, and those that only its issues name."""
    named = {name: GREY for issue in issues if issue["team"] == team["key"] for name in issue.get("labels", [])}
    return named | {label["name"]: label.get("color", GREY) for label in team.get("labels", [])}


def _issue(seed: Mapping[str, Any], issue: Mapping[str, Any], number: int, at: str) -> Row:
    key = issue["team"]
    people = [user["email"] for user in seed["users"] if not user.get("app")]
    creator, assignee = issue.get("creator") or people[0], issue.get("assignee")
    state = issue.get("state") or _first_state(seed, key)
    _must_exist(seed, key, state, creator, assignee)
    return _row(
        "Issue",
        at,
        stable_id("Issue", key, str(number)),
        number=number,
        title=issue["title"],
        description=issue.get("description", ""),
        priority=int(issue.get("priority", 0)),
        teamId=stable_id("Team", key),
        stateId=stable_id("WorkflowState", key, state),
        labelIds=[stable_id("IssueLabel", key, name) for name in issue.get("labels", [])],
        creatorId=stable_id("User", creator),
        assigneeId=stable_id("User", assignee) if assignee else None,
        delegateId=None,
        parentId=None,
        subscriberIds=[stable_id("User", creator)],
        sortOrder=float(-number),
        addedToTeamAt=at,
        trashed=None,
    )


def _first_state(seed: Mapping[str, Any], key: str) -> str:
    states = [state for team in seed["teams"] if team["key"] == key for state in team["states"]]
    backlog = [state for state in states if state["type"] == "backlog"]
    return str((backlog or states or [{"name": ""}])[0]["name"])


def _must_exist(seed: Mapping[str, Any], key: str, state: str, *emails: str | None) -> None:
    states = {entry["name"] for team in seed["teams"] if team["key"] == key for entry in team["states"]}
    known = {user["email"] for user in seed["users"]}
    if state not in states:
        raise ValueError(f"an issue of the seed names the state {state!r}, which team {key!r} does not have")
    for email in emails:
        if email and email not in known:
            raise ValueError(f"an issue of the seed names {email!r}, who is not among its users")
