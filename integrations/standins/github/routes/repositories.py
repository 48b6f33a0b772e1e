"""Repositories, branches, refs, and who may do what."""

from __future__ import annotations

from integrations.standins.github.bare import GitFailed
from integrations.standins.github.operations import Call, Reply, operation
from integrations.standins.github.problems import Problem, not_found
from integrations.standins.github.pushes import NO_COMMIT, Aftermath, Update
from integrations.standins.github.shapes.people import collaborator_permission
from integrations.standins.github.shapes.repositories import branch, full_repository, git_ref

REPOSITORY = "/repos/{owner}/{repo}"


@operation("GET", REPOSITORY, needs="metadata:read")
def get_repository(call: Call) -> Reply:
    """The repository, with what the caller may do."""
    one = call.repository
    return Reply(full_repository(call.view, one, call.actor.role(one.name, one.private)))


@operation("GET", REPOSITORY + "/branches/{branch}", needs="contents:read")
def get_branch(call: Call) -> Reply:
    """A branch with its last commit."""
    repository, name = call.repository, call.request.params["branch"]
    sha = repository.git.head(name)
    if sha is None:
        raise Problem(404, "Branch not found")
    return Reply(branch(call.view, repository, name, repository.git.commit(sha)))


@operation("GET", REPOSITORY + "/git/ref/{ref}", needs="contents:read")
def get_ref(call: Call) -> Reply:
    """A ref; its name has no 'refs/' in front."""
    repository, name = call.repository, f"refs/{call.request.params['ref']}"
    sha = repository.git.sha_of(name)
    if sha is None:
        raise not_found()
    return Reply(git_ref(call.view, repository, name, sha))


@operation("GET", REPOSITORY + "/git/refs/{ref}", needs="contents:read")
def get_ref_by_its_old_address(call: Call) -> Reply:
    """As `get_ref`; GitHub's documents name only the other, its servers answer both."""
    return get_ref(call)


@operation("DELETE", REPOSITORY + "/git/refs/{ref}", needs="contents:write", role="write")
def delete_ref(call: Call) -> Reply:
    """Delete a branch or tag; pull requests from it close."""
    repository, ref = call.repository, f"refs/{call.request.params['ref']}"
    sha = repository.git.sha_of(ref)
    if sha is None or not ref.startswith(("refs/heads/", "refs/tags/")):
        raise Problem(422, "Reference does not exist")
    if ref == f"refs/heads/{repository.seeded.default_branch}":
        raise Problem(422, "Cannot delete the default branch")
    try:
        repository.git.delete_ref(ref)
    except GitFailed as error:
        raise Problem(409, str(error)) from None
    after = Aftermath(call.view, repository, call.actor.login, (call.operation.name,))
    after.of([Update(ref, sha, NO_COMMIT)])
    return Reply(status=204)


@operation("GET", REPOSITORY + "/collaborators/{username}/permission", needs="metadata:read", role="write")
def get_permission(call: Call) -> Reply:
    """What a person may do here; 404 for a name that nobody has."""
    repository, user = call.repository, call.hub.user(call.request.params["username"])
    if user is None:
        raise Problem(404, f"{call.request.params['username']} is not a user")
    role = user.permissions.get(repository.name, "none" if repository.private else "read")
    return Reply(collaborator_permission(call.view, user.login, role))
