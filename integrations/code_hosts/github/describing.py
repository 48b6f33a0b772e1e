"""Labels, reviewers and milestone of a new pull request, and the end of its draft. Called by `code_host`.

Each request only adds, so a repeated one is harmless. A label that the repository lacks is created by GitHub.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from integrations.code_hosts.github import payloads
from integrations.code_hosts.github.api import GitHubApi, Grant, build_path
from integrations.code_hosts.github.graphql import GraphQL
from integrations.errors import Rejected, Unauthorized
from integrations.ports.code_host import PullRequestDetails

_READ = (("contents", "read"), ("pull_requests", "read"))
_PULLS = (("contents", "read"), ("pull_requests", "write"))
_LONGEST_LABEL = 50
"""GitHub's limit in characters."""


def describe(api: GitHubApi, repository: str, number: int, details: PullRequestDetails) -> list[str]:
    """Add the details; returns what cannot be added, one sentence each."""
    return [
        *_add_labels(api, repository, number, details.labels),
        *_request_reviewers(api, repository, number, details),
        *_set_milestone(api, repository, number, details.milestone),
    ]


def mark_ready(api: GitHubApi, graph: GraphQL, repository: str, number: int) -> None:
    """Make a draft an ordinary pull request, which GitHub's REST API cannot."""
    where = build_path("repos", repository, "pulls", number)
    pull = api.get(payloads.PullRequest, Grant(repository, _READ), where)
    if pull.draft and pull.state == "open":
        graph.run("MarkReadyForReview", Grant(repository, _PULLS), {"id": pull.node_id})


def _add_labels(api: GitHubApi, repository: str, number: int, labels: tuple[str, ...]) -> Iterator[str]:
    yield from (f"The label {label[:60]!r} is longer than {_LONGEST_LABEL} characters" for label in _find_long(labels))
    if wanted := [label for label in labels if len(label) <= _LONGEST_LABEL]:
        where = build_path("repos", repository, "issues", number, "labels")
        if problem := _send(api, repository, "POST", where, {"labels": wanted}):
            yield f"The labels {', '.join(wanted)} cannot be added: {problem}"


def _find_long(labels: tuple[str, ...]) -> list[str]:
    return [label for label in labels if len(label) > _LONGEST_LABEL]


def _request_reviewers(api: GitHubApi, repository: str, number: int, details: PullRequestDetails) -> Iterator[str]:
    """Request all together; GitHub refuses the whole list for one wrong name, so then one by one."""
    if not details.reviewers and not details.teams:
        return
    pull = api.get(payloads.PullRequest, Grant(repository, _READ), build_path("repos", repository, "pulls", number))
    author = pull.user.login.lower() if pull.user else ""
    people = [login for login in details.reviewers if login.lower() != author]
    where = build_path("repos", repository, "pulls", number, "requested_reviewers")
    each = [{"reviewers": [login]} for login in people] + [{"team_reviewers": [team]} for team in details.teams]
    together = {"reviewers": people, "team_reviewers": list(details.teams)}
    if not each or not _send(api, repository, "POST", where, together):
        return
    for one in each:
        if problem := _send(api, repository, "POST", where, one):
            [[name]] = one.values()
            yield f"A review by {name} cannot be requested: {problem}"


def _set_milestone(api: GitHubApi, repository: str, number: int, title: str) -> Iterator[str]:
    if not title:
        return
    where = build_path("repos", repository, "milestones")
    try:
        known = api.paginate(payloads.Milestone, Grant(repository, _READ), where, state="open")
        found = next((one for one in known if one.title.lower() == title.lower()), None)
    except Rejected as error:
        yield f"The milestones of {repository} cannot be read: {error}"
        return
    if found is None:
        yield f"{repository} has no open milestone {title!r}: create it, or correct `loop.pull_request.milestone`"
        return
    issue = build_path("repos", repository, "issues", number)
    if problem := _send(api, repository, "PATCH", issue, {"milestone": found.number}):
        yield f"The milestone {title!r} cannot be set: {problem}"


def _send(api: GitHubApi, repository: str, method: str, where: str, wanted: Mapping[str, object]) -> str:
    """Send the request; returns the reason when GitHub refuses it. Raises `Unavailable`."""
    try:
        api.send_only(Grant(repository, _PULLS), method, where, dict(wanted))
    except Unauthorized:
        raise
    except Rejected as error:
        return str(error)
    return ""
