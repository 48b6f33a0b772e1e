"""The board for people: a page, the two fragments that it shows again after each change, and the stream that says when.

The page's script writes through `/graphql` like every client; the person's key travels in a cookie that scripts cannot
read. Reads here go straight to the rows, with the store's lock held.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, Response, abort, current_app, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from graphql import GraphQLError

from integrations.standins.linear import derived
from integrations.standins.linear.context import Context
from integrations.standins.linear.markdown import to_html
from integrations.standins.linear.store import Row, Store

if TYPE_CHECKING:
    from integrations.standins.linear.server import LinearApp

KEY_COOKIE = "linear_key"
HEARTBEAT_SECONDS = 15.0
EMOJI = {
    "+1": "👍",
    "-1": "👎",
    "eyes": "👀",
    "heart": "❤️",
    "hourglass": "⏳",
    "octagonal_sign": "🛑",
    "rocket": "🚀",
    "tada": "🎉",
    "thumbsup": "👍",
    "warning": "⚠️",
    "white_check_mark": "✅",
    "x": "❌",
}
CHOICE = ("+1", "eyes", "white_check_mark", "heart", "tada")
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; img-src data:"
)
board = Blueprint("board", __name__)


@board.get("/")
@board.get("/<workspace>/issue/<identifier>")
@board.get("/<workspace>/issue/<identifier>/<words>")
def show(**address: str) -> ResponseReturnValue:
    """The page, as the person of the cookie or else as the first one of the seed."""
    context, key = _visitor()
    with context.store.lock:
        page = render_template("board.html", **_board(context), open=address.get("identifier", ""), people=_people())
    answer = make_response(page)
    answer.headers["Content-Security-Policy"] = CONTENT_POLICY
    _remember(answer, key)
    return answer


@board.post("/_page/person")
def be() -> ResponseReturnValue:
    """Become another person."""
    user_id = request.form.get("person", "")
    keys = {person: key for key, person in _app().people.items()}
    if user_id not in {row["id"] for row in _people()}:
        abort(404, "nobody of that id has a key to this board")
    answer = make_response(redirect("/"))
    _remember(answer, keys[user_id])
    return answer


@board.get("/_page/board")
def columns() -> str:
    """The columns with their cards."""
    context, _ = _visitor()
    with context.store.lock:
        return render_template("columns.html", **_board(context))


@board.get("/_page/issue/<identifier>")
def issue(identifier: str) -> str:
    """One card, opened."""
    context, _ = _visitor()
    with context.store.lock:
        try:
            row = context.find_issue(identifier)
        except GraphQLError:
            abort(404, f"there is no issue {identifier}")
        return render_template("issue.html", **_opened(context, row))


@board.get("/_page/events")
def events() -> Response:
    """Server-sent events: the store's version after each change."""
    return Response(_versions(_app().store), mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


def _versions(store: Store) -> Iterator[str]:
    seen = -1
    while True:
        with store.changed:
            if store.version == seen:
                store.changed.wait(HEARTBEAT_SECONDS)
            seen = store.version
        yield f"data: {seen}\n\n"


def _app() -> LinearApp:
    return cast("LinearApp", current_app)


def _people() -> list[Row]:
    """Those who can use the board: persons with a key, in the seed's order."""
    keyed = set(_app().people.values())
    return [row for row in _app().store.rows("User") if row["id"] in keyed and row["active"] and not row["app"]]


def _visitor() -> tuple[Context, str]:
    """Who looks at the page, and the key to remember them by."""
    keys = {person: key for key, person in _app().people.items()}
    viewer = _app().viewer()
    if viewer is None or viewer["app"]:
        viewer = next(iter(_people()), None) or abort(404, "the seed has no person with a token who could look at this")
    return _app().context(viewer), keys[viewer["id"]]


def _remember(answer: Response, key: str) -> None:
    answer.set_cookie(KEY_COOKIE, key, httponly=True, samesite="Strict")


def _board(context: Context) -> dict[str, Any]:
    """The team asked for, or the first one, with its columns in order and the cards in each."""
    teams = context.store.rows("Team")
    team = next((row for row in teams if row["key"] == request.args.get("team")), teams[0])
    states = [row for row in context.store.rows("WorkflowState") if row["teamId"] == team["id"]]
    issues = [row for row in context.store.rows("Issue") if row["teamId"] == team["id"] and not row["archivedAt"]]
    cards = {state["id"]: [_card(context, row) for row in _sorted(issues, state)] for state in states}
    return {
        "workspace": context.store.rows("Organization")[0],
        "viewer": context.viewer,
        "teams": teams,
        "team": team,
        "states": sorted(states, key=lambda row: float(row["position"])),
        "cards": cards,
    }


def _sorted(issues: list[Row], state: Row) -> list[Row]:
    return sorted((row for row in issues if row["stateId"] == state["id"]), key=lambda row: -float(row["sortOrder"]))


def _card(context: Context, row: Row) -> dict[str, Any]:
    get, store = context.store.get, context.store
    return {
        "issue": row,
        "identifier": derived.identifier(context, row),
        "url": derived.issue_url(context, row),
        "labels": [label for label_id in row["labelIds"] if (label := get("IssueLabel", label_id))],
        "assignee": get("User", row["delegateId"]) or get("User", row["assigneeId"]),
        "comments": sum(comment["issueId"] == row["id"] for comment in store.rows("Comment")),
        "attachments": sum(attachment["issueId"] == row["id"] for attachment in store.rows("Attachment")),
    }


def _opened(context: Context, row: Row) -> dict[str, Any]:
    store = context.store
    states = [state for state in store.rows("WorkflowState") if state["teamId"] == row["teamId"]]
    return {
        **_card(context, row),
        "description": to_html(row["description"] or ""),
        "state": store.get("WorkflowState", row["stateId"]),
        "states": sorted(states, key=lambda state: float(state["position"])),
        "creator": store.get("User", row["creatorId"]),
        "links": [attachment for attachment in store.rows("Attachment") if attachment["issueId"] == row["id"]],
        "talk": [_comment(context, comment) for comment in store.rows("Comment") if comment["issueId"] == row["id"]],
        "choice": [(EMOJI[name], name) for name in CHOICE],
    }


def _comment(context: Context, row: Row) -> dict[str, Any]:
    return {
        "row": row,
        "author": context.store.get("User", row["userId"]),
        "html": to_html(row["body"]),
        "reactions": _reactions(context, row),
    }


def _reactions(context: Context, comment: Row) -> list[dict[str, Any]]:
    """Each emoji on the comment once: its sign, how many put it there, who, and the viewer's own one's id."""
    store, by_name = context.store, dict[str, list[Row]]()
    for reaction in store.rows("Reaction"):
        if reaction["commentId"] == comment["id"]:
            by_name.setdefault(reaction["emoji"], []).append(reaction)
    return [
        {
            "name": name,
            "sign": EMOJI.get(name, f":{name}:"),
            "count": len(rows),
            "who": ", ".join(user["name"] for row in rows if (user := store.get("User", row["userId"]))),
            "mine": next((row["id"] for row in rows if row["userId"] == context.viewer["id"]), ""),
        }
        for name, rows in by_name.items()
    ]
