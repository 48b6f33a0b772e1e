"""Repositories, refs, and permissions of people."""

from __future__ import annotations

from integrations.standins.github.bare import GitFailed
from integrations.standins.github.operations import Call, Reply, operation
from integrations.standins.github.problems import Problem, not_found
from integrations.standins.github.pushes import NO_COMMIT, Update
from integrations.standins.github.shapes.people import collaborator_permission
from integrations.standins.github.shapes.repositories import commit, full_repository, git_ref

REPOSITORY = "/repos/{owner}/{repo}"


@operation("GET", REPOSITORY, needs="metadata:read")
def get_repository(call: Call) -> Reply:
    """The repository, with the caller's permissions."""
    one = call.repository
    return Reply(full_repository(call.view, one, call.actor.role(one.name, one.private)))


@operation("GET", REPOSITORY + "/git/ref/{ref}", needs="contents:read")
def get_ref(call: Call) -> Reply:
    """A ref; its name in the path has no 'refs/'."""
    repository, name = call.repository, f"refs/{call.request.params['ref']}"
    sha = repository.git.sha_of(name)
    if sha is None:
        raise not_found()
    return Reply(git_ref(call.view, repository, name, sha))


@operation("GET", REPOSITORY + "/commits", needs="contents:read")
def list_commits(call: Call) -> Reply:
    """The commits of the default branch, newest first; `author` is a login or an address."""
    repository, author = call.repository, call.request.query.get("author", "").lower()
    user = call.hub.user(author)
    address = user.email.lower() if user else author
    found = repository.git.history(repository.git.default_branch)
    shown = [one for one in found if not author or one.author.email.lower() == address]
    return Reply([commit(call.view, repository, one) for one in shown])


@operation("DELETE", REPOSITORY + "/git/refs/{ref}", needs="contents:write", role="write")
def delete_ref(call: Call) -> Reply:
    """Delete a branch or tag; pull requests from it close."""
    repository, ref = call.repository, f"refs/{call.request.params['ref']}"
    sha = repository.git.sha_of(ref)
    if sha is None or not ref.startswith(("refs/heads/", "refs/tags/")):
        raise Problem(422, "Reference does not exist")
    if ref == f"refs/heads/{repository.git.default_branch}":
        raise Problem(422, "Cannot delete the default branch")
    try:
        repository.git.delete_ref(ref)
    except GitFailed as error:
        raise Problem(409, str(error)) from None
    call.aftermath.of([Update(ref, sha, NO_COMMIT)])
    return Reply(status=204)


@operation("GET", REPOSITORY + "/collaborators/{username}/permission", needs="metadata:read", role="write")
def get_permission(call: Call) -> Reply:
    """The permission of a person; 404 for an unknown login."""
    repository, user = call.repository, call.hub.user(call.request.params["username"])
    if user is None:
        raise Problem(404, f"{call.request.params['username']} is not a user")
    role = user.permissions.get(repository.name, "none" if repository.private else "read")
    return Reply(collaborator_permission(call.view, user.login, role))
