"""Commit statuses."""

from __future__ import annotations

from typing import Literal

from integrations.standins.github.hub import Repository, now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, check_link
from integrations.standins.github.records import Status
from integrations.standins.github.shapes.checks import combined_status
from integrations.standins.github.shapes.checks import status as status_shape
from integrations.standins.github.shapes.repositories import commit

COMMIT = "/repos/{owner}/{repo}/commits/{ref}"


class NewStatus(Input):
    state: Literal["error", "failure", "pending", "success"]
    context: str = "default"
    description: str | None = None
    target_url: str | None = None


def commit_of(call: Call, repository: Repository, name: str) -> str:
    """The sha that a sha, branch or tag names. Raises a 422 `Problem`."""
    sha = repository.git.head(name) or repository.git.sha_of(name)
    if sha is None:
        raise Problem(422, f"No commit found for SHA: {name}")
    return sha


@operation("POST", "/repos/{owner}/{repo}/statuses/{sha}", needs="statuses:write", role="write")
def create_status(call: Call) -> Reply:
    """Add a status; it is the newest of its context now."""
    repository, wanted = call.repository, call.read(NewStatus)
    check_link("Status", "target_url", wanted.target_url)
    sha = commit_of(call, repository, call.request.params["sha"])
    words = wanted.context, wanted.state, wanted.description, wanted.target_url
    status = Status(call.hub.store.new_id(), repository.name, sha, *words, call.actor.login, now())
    call.hub.store.put(status)
    _emit(call, repository, status)
    return Reply(status_shape(call.view, status), 201)


@operation("GET", COMMIT + "/status", needs="statuses:read")
def get_combined_status(call: Call) -> Reply:
    """The newest status of each context, and what they add up to."""
    sha = commit_of(call, call.repository, call.request.params["ref"])
    return Reply(combined_status(call.view, call.repository, sha))


@operation("GET", COMMIT + "/statuses", needs="statuses:read")
def list_statuses(call: Call) -> Reply:
    """Every status ever set, newest first."""
    sha = commit_of(call, call.repository, call.request.params["ref"])
    found = call.hub.store.all(Status, repository=call.repository.name, sha=sha)
    return Reply([status_shape(call.view, one) for one in reversed(found)])


def _emit(call: Call, repository: Repository, status: Status) -> None:
    url = call.view.repository_url(repository.name)
    on_branches = [
        {"name": name, "commit": {"sha": sha, "url": f"{url}/commits/{sha}"}, "protected": False}
        for name, sha in repository.git.branches().items()
        if sha == status.sha
    ]
    call.emit(
        "status",
        id=status.id,
        sha=status.sha,
        name=repository.name,
        avatar_url=status_shape(call.view, status)["avatar_url"],
        target_url=status.target_url,
        context=status.context,
        description=status.description,
        state=status.state,
        commit=commit(call.view, repository, repository.git.commit(status.sha)),
        branches=on_branches,
        created_at=status.created_at,
        updated_at=status.created_at,
    )
