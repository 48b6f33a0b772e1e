"""Pages for people: the open pull requests, and one with its conversation, checks and diff.

The visitor chooses a person; buttons perform the operations of the API as that person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from integrations.standins.github.auth import ANONYMOUS, Actor, person
from integrations.standins.github.changes import (
    changes,
    combined_state,
    mergeable,
    newest_check_runs,
    newest_statuses,
    review_decisions,
)
from integrations.standins.github.hub import Hub, Repository
from integrations.standins.github.operations import Request, perform
from integrations.standins.github.problems import Problem, not_found
from integrations.standins.github.protection import list_violations
from integrations.standins.github.records import IssueComment, Pull, Review, ReviewComment
from integrations.standins.github.rest import base_url
from integrations.standins.github.seed import ROLES
from integrations.standins.github.waiting import describe_waiting
from integrations.standins.markdown import to_html

COOKIE = "github_person"
REPO = "/repos/{owner}/{repo}"
REVIEWS = f"POST {REPO}/pulls/{{pull_number}}/reviews"
CHANGE = f"PATCH {REPO}/pulls/{{pull_number}}"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def blueprint(hub: Hub) -> Blueprint:
    """All pages."""
    pages = Blueprint(
        "pages", __name__, template_folder="templates", static_folder="static", static_url_path="/_static"
    )
    pages.before_request(_refuse_other_sites)
    pages.after_request(_protect)
    pages.register_error_handler(Problem, lambda one: _page(hub, "problem.html", one.status, problem=one))
    _add_lists(pages, hub)
    _add_pull(pages, hub)

    @pages.get("/_version")
    def version() -> str:
        return str(hub.store.version)

    @pages.post("/_person")
    def choose_person() -> AnyResponse:
        answer = redirect(_local(request.form.get("back", "/")), 303)
        answer.set_cookie(COOKIE, request.form["login"], samesite="Strict", httponly=True)
        return answer

    return pages


def _refuse_other_sites() -> None:
    """Refuse forms of other sites."""
    if request.method == "POST" and request.headers.get("Origin", base_url()) != base_url():
        abort(403)


def _protect(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _local(path: str) -> str:
    """The path if it is on this server, else the home page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def _add_lists(pages: Blueprint, hub: Hub) -> None:
    @pages.get("/")
    def home() -> Response:
        actor = _viewer(hub)
        seen = [one for one in hub.repositories.values() if actor.role(one.name, one.private) != "none"]
        return _page(hub, "home.html", repositories=[(one, _pulls(hub, one)) for one in seen])

    @pages.get("/<owner>/<repo>/pulls")
    def pulls(owner: str, repo: str) -> Response:
        repository = _visible(hub, f"{owner}/{repo}")
        return _page(hub, "pulls.html", repository=repository, pulls=_pulls(hub, repository))


def _add_pull(pages: Blueprint, hub: Hub) -> None:
    @pages.get("/<owner>/<repo>/pull/<int:number>")
    def pull(owner: str, repo: str, number: int) -> Response:
        return _pull_page(hub, f"{owner}/{repo}", number)

    @pages.post("/<owner>/<repo>/pull/<int:number>/<any(comment,approve,request_changes,merge,close,reopen):action>")
    def act(owner: str, repo: str, number: int, action: str) -> AnyResponse:
        try:
            _act(hub, {"owner": owner, "repo": repo}, number, action)
        except Problem as problem:
            return _pull_page(hub, f"{owner}/{repo}", number, problem)
        return redirect(f"/{owner}/{repo}/pull/{number}", 303)


def _act(hub: Hub, params: Mapping[str, str], number: int, action: str) -> None:
    """Perform the operation of the button as the chosen person. Raises `Problem`."""
    body, sha = request.form.get("body", "").replace("\r\n", "\n"), request.form.get("sha", "")
    on_pull = {**params, "pull_number": str(number)}
    on_issue = {**params, "issue_number": str(number)}
    name, place, input = {
        "comment": (f"POST {REPO}/issues/{{issue_number}}/comments", on_issue, {"body": body}),
        "approve": (REVIEWS, on_pull, {"event": "APPROVE", "body": body, "commit_id": sha}),
        "request_changes": (REVIEWS, on_pull, {"event": "REQUEST_CHANGES", "body": body, "commit_id": sha}),
        "merge": (
            f"PUT {REPO}/pulls/{{pull_number}}/merge",
            on_pull,
            {"sha": sha, "merge_method": request.form.get("method", "merge")},
        ),
        "close": (CHANGE, on_pull, {"state": "closed"}),
        "reopen": (CHANGE, on_pull, {"state": "open"}),
    }[action]
    perform(hub, _viewer(hub), name, Request(place, input, {}, base_url()))


def _viewer(hub: Hub) -> Actor:
    """The person in the cookie, or the first one."""
    chosen = hub.user(request.cookies.get(COOKIE, ""))
    if chosen is None and hub.seed.users:
        chosen = hub.seed.users[0]
    return person(chosen) if chosen else ANONYMOUS


def _visible(hub: Hub, name: str) -> Repository:
    repository = hub.repository(name)
    if _viewer(hub).role(repository.name, repository.private) == "none":
        raise not_found()
    return repository


def _pulls(hub: Hub, repository: Repository) -> list[tuple[Pull, str]]:
    """Newest first, with the combined state of the checks."""
    pulls = hub.store.all(Pull, repository=repository.name)[::-1]
    return [(one, combined_state(hub.store, repository.name, one.head_sha)) for one in pulls]


def _page(hub: Hub, template: str, status: int = 200, **values: Any) -> Response:
    shown = render_template(
        template, people=hub.seed.users, viewer=_viewer(hub), version=hub.store.version, render=to_html, **values
    )
    return make_response(shown, status)


def _pull_page(hub: Hub, name: str, number: int, problem: Problem | None = None) -> Response:
    """The whole page; `problem` is the refusal of the last button."""
    with hub.lock:
        repository = _visible(hub, name)
        pull = hub.pull(repository, number)
        reviews = hub.store.all(Review, repository=repository.name, number=number)
        role = _viewer(hub).role(repository.name, repository.private)
        return _page(
            hub,
            "pull.html",
            problem.status if problem else 200,
            problem=problem,
            draft_text=request.form.get("body", "") if problem else "",
            repository=repository,
            pull=pull,
            changes=changes(repository, pull),
            mergeable=mergeable(repository, pull),
            waits=describe_waiting(hub, pull),
            violations=list(list_violations(hub, repository, pull)) if pull.state == "open" else [],
            may_write=ROLES.index(role) >= ROLES.index("write"),
            timeline=_timeline(hub, pull, reviews),
            line_comments=_line_comments(hub, pull),
            statuses=newest_statuses(hub.store, repository.name, pull.head_sha),
            runs=newest_check_runs(hub.store, repository.name, pull.head_sha),
            combined=combined_state(hub.store, repository.name, pull.head_sha),
            decisions=review_decisions(reviews),
        )


def _timeline(hub: Hub, pull: Pull, reviews: list[Review]) -> list[tuple[str, Any, list[ReviewComment]]]:
    """Comments and submitted reviews by time, each as its kind, itself, and its comments on lines."""
    comments = hub.store.all(IssueComment, repository=pull.repository, number=pull.number)
    items: list[tuple[str, Any, list[ReviewComment]]] = [("comment", one, []) for one in comments]
    items += [
        ("review", one, hub.store.all(ReviewComment, review_id=one.id)) for one in reviews if one.state != "PENDING"
    ]
    return sorted(items, key=lambda item: int(item[1].id))


def _line_comments(hub: Hub, pull: Pull) -> dict[tuple[str, int | None], list[ReviewComment]]:
    """Comments on lines by path and position in the diff."""
    placed: dict[tuple[str, int | None], list[ReviewComment]] = {}
    for one in hub.store.all(ReviewComment, repository=pull.repository, number=pull.number):
        placed.setdefault((one.path, one.position), []).append(one)
    return placed
