"""The board for people: a page, the two fragments that it reloads after each change, and the stream of changes.

The page's script writes through `/graphql` like every client; the person's key is in a cookie that scripts cannot read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from graphql import GraphQLError

from integrations.standins.linear.context import Context, identifier, issue_url
from integrations.standins.linear.session_cards import session_card, session_state
from integrations.standins.linear.store import Row, Store
from integrations.standins.linear.workspace import KEY_COOKIE, Workspace
from integrations.standins.markdown import to_html

HEARTBEAT_SECONDS = 15.0
EMOJI = {"+1": "👍", "eyes": "👀", "white_check_mark": "✅", "heart": "❤️", "tada": "🎉", "x": "❌", "warning": "⚠️"}
CHOICE = ("+1", "eyes", "white_check_mark", "heart", "tada")
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; img-src data:"
)


def blueprint(workspace: Workspace) -> Blueprint:
    """The page and its fragments."""
    board, visitors = Blueprint("board", __name__), _Visitors(workspace)

    @board.get("/")
    @board.get("/<name>/issue/<identifier>")
    @board.get("/<name>/issue/<identifier>/<slug>")
    def show(identifier: str = "", **_: str) -> ResponseReturnValue:
        """The page, as the person of the cookie or else as the first one of the seed."""
        context, key = visitors.current()
        with context.store.lock:
            page = render_template("board.html", **_board(context), open=identifier, people=visitors.people())
        answer = make_response(page)
        answer.headers["Content-Security-Policy"] = CONTENT_POLICY
        return _remember(answer, key)

    @board.post("/_page/person")
    def choose_person() -> ResponseReturnValue:
        return _remember(make_response(redirect("/")), visitors.key_of(request.form.get("person", "")))

    @board.get("/_page/board")
    def columns() -> str:
        context, _ = visitors.current()
        with context.store.lock:
            return render_template("columns.html", **_board(context))

    @board.get("/_page/issue/<identifier>")
    def issue(identifier: str) -> str:
        context, _ = visitors.current()
        with context.store.lock:
            try:
                row = context.find_issue(identifier)
            except GraphQLError:
                abort(404, f"there is no issue {identifier}")
            return render_template("issue.html", **_opened(context, row))

    @board.get("/_page/events")
    def events() -> Response:
        """Server-sent events: the store's version after each change."""
        headers = {"Cache-Control": "no-store"}
        return Response(_versions(workspace.store), mimetype="text/event-stream", headers=headers)

    return board


class _Visitors:
    """The people who can use the board: those with a key, apart from apps, in the seed's order."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._keys = {user_id: key for key, user_id in workspace.people.items()}

    def people(self) -> list[Row]:
        rows = self._workspace.store.rows("User")
        return [row for row in rows if row["id"] in self._keys and row["active"] and not row["app"]]

    def current(self) -> tuple[Context, str]:
        """The context of the visitor, and the key for the cookie."""
        viewer = self._workspace.viewer()
        if viewer is None or viewer["app"]:
            viewer = next(iter(self.people()), None) or abort(404, "the seed has no person with a token")
        return self._workspace.context(viewer), self._keys[viewer["id"]]

    def key_of(self, user_id: str) -> str:
        if user_id not in {row["id"] for row in self.people()}:
            abort(404, "no person with this id has a key to this board")
        return self._keys[user_id]


def _remember(answer: Response, key: str) -> Response:
    answer.set_cookie(KEY_COOKIE, key, httponly=True, samesite="Strict")
    return answer


def _versions(store: Store) -> Iterator[str]:
    seen = -1
    while True:
        with store.changed:
            if store.version == seen:
                store.changed.wait(HEARTBEAT_SECONDS)
            seen = store.version
        yield f"data: {seen}\n\n"


def _board(context: Context) -> dict[str, Any]:
    """The requested team, or the first one, with its columns in order and the cards in each."""
    teams = context.store.rows("Team")
    team = next((row for row in teams if row["key"] == request.args.get("team")), teams[0])
    issues = [row for row in context.related("Issue", "teamId", team) if not row["archivedAt"]]
    issues.sort(key=lambda row: -float(row["sortOrder"]))
    states = _states(context, team)
    return {
        "workspace": context.store.rows("Organization")[0],
        "viewer": context.viewer,
        "teams": teams,
        "team": team,
        "states": states,
        "cards": {
            state["id"]: [_card(context, row) for row in issues if row["stateId"] == state["id"]] for state in states
        },
    }


def _states(context: Context, team: Row) -> list[Row]:
    return sorted(context.related("WorkflowState", "teamId", team), key=lambda row: float(row["position"]))


def _card(context: Context, row: Row) -> dict[str, Any]:
    return {
        "issue": row,
        "identifier": identifier(context, row),
        "url": issue_url(context, row),
        "labels": [context.find("IssueLabel", label_id) for label_id in row["labelIds"]],
        "comments": len(context.related("Comment", "issueId", row)),
        "attachments": len(context.related("Attachment", "issueId", row)),
        "session_state": session_state(context, row),
    }


def _opened(context: Context, row: Row) -> dict[str, Any]:
    return {
        **_card(context, row),
        "description": to_html(row["description"]),
        "state": context.find("WorkflowState", row["stateId"]),
        "states": _states(context, context.find("Team", row["teamId"])),
        "creator": context.find("User", row["creatorId"]),
        "links": context.related("Attachment", "issueId", row),
        "apps": [user for user in context.store.rows("User") if user["app"] and user["active"]],
        "sessions": [session_card(context, one) for one in context.related("AgentSession", "issueId", row)],
        "talk": [_comment(context, comment) for comment in context.related("Comment", "issueId", row)],
        "choice": [(EMOJI[name], name) for name in CHOICE],
    }


def _comment(context: Context, row: Row) -> dict[str, Any]:
    return {
        "row": row,
        "author": context.find("User", row["userId"]),
        "html": to_html(row["body"]),
        "reactions": _reactions(context, row),
    }


def _reactions(context: Context, comment: Row) -> list[dict[str, Any]]:
    """Each emoji on the comment: its sign, the count, the authors' names, and the id of the viewer's own reaction."""
    by_name: dict[str, list[Row]] = {}
    for reaction in context.related("Reaction", "commentId", comment):
        by_name.setdefault(reaction["emoji"], []).append(reaction)
    return [
        {
            "name": name,
            "sign": EMOJI.get(name, f":{name}:"),
            "count": len(rows),
            "who": ", ".join(context.find("User", row["userId"])["name"] for row in rows),
            "mine": next((row["id"] for row in rows if row["userId"] == context.viewer["id"]), ""),
        }
        for name, rows in by_name.items()
    ]
