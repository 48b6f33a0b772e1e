"""Settings of a repository: name, owner, archive, access; renamed branches; locked conversations."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.hub import Repository, now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.places import change_place, place_of
from integrations.standins.github.problems import Problem, invalid, refused
from integrations.standins.github.pushes import Aftermath, Update
from integrations.standins.github.records import Pull
from integrations.standins.github.routes.repositories import REPOSITORY
from integrations.standins.github.routes.rules import show_branch
from integrations.standins.github.shapes.people import user
from integrations.standins.github.shapes.repositories import full_repository, repository

LOCK = REPOSITORY + "/issues/{issue_number}/lock"
LOCK_REASONS = ("off-topic", "too heated", "resolved", "spam")


class RepositoryPatch(Input):
    """None leaves a value unchanged."""

    name: str | None = None
    archived: bool | None = None


@operation("PATCH", REPOSITORY, needs="administration:write", role="admin")
def change_repository(call: Call) -> Reply:
    """Rename, archive or unarchive the repository."""
    one, wanted = call.repository, call.read(RepositoryPatch)
    if wanted.name is not None and wanted.name != one.name.split("/")[1]:
        old = one.name.split("/")[1]
        one = _move(call, one, f"{one.owner}/{wanted.name}")
        _tell(call, one, "renamed", changes={"repository": {"name": {"from": old}}})
    if wanted.archived is not None and wanted.archived != one.seeded.archived:
        one = change_place(call.hub, one, archived=wanted.archived)
        _tell(call, one, "archived" if wanted.archived else "unarchived")
    return Reply(full_repository(call.view, one, call.actor.role(one.name, one.private)))


class Transfer(Input):
    """`new_name` is empty for the present one."""

    new_owner: str
    new_name: str | None = None


@operation("POST", REPOSITORY + "/transfer", needs="administration:write", role="admin")
def transfer(call: Call) -> Reply:
    """Transfer the repository to another account. GitHub does it a moment later."""
    one, wanted = call.repository, call.read(Transfer)
    owner = user(call.view, one.owner)
    one = _move(call, one, f"{wanted.new_owner}/{wanted.new_name or one.name.split('/')[1]}")
    _tell(call, one, "transferred", changes={"owner": {"from": {"user": owner}}})
    return Reply(repository(call.view, one), 202)


def _move(call: Call, one: Repository, name: str) -> Repository:
    if call.hub.find(name):
        raise invalid("Repository", "name", "name already exists on this account", "custom")
    return change_place(call.hub, one, name=name)


def _tell(call: Call, one: Repository, action: str, **parts: Any) -> None:
    Aftermath(call.view, one, call.actor.login, (call.operation.name,)).emit("repository", action, **parts)


@operation("DELETE", REPOSITORY + "/collaborators/{username}", needs="administration:write", role="admin")
def remove_collaborator(call: Call) -> Reply:
    """Take a person's access away."""
    place = place_of(call.hub, call.repository)
    change_place(call.hub, call.repository, removed=[*place.removed, call.request.params["username"]])
    return Reply(status=204)


class BranchName(Input):
    new_name: str


@operation("POST", REPOSITORY + "/branches/{branch}/rename", needs="contents:write", role="write")
def rename_branch(call: Call) -> Reply:
    """Rename a branch: pull requests into it follow, those from it close."""
    one, old, new = call.repository, call.request.params["branch"], call.read(BranchName).new_name
    sha, is_default = one.git.head(old), old == one.git.default_branch
    if sha is None:
        raise Problem(404, "Branch not found")
    if one.git.head(new):
        raise refused("Branch", f"A branch named {new} already exists.")
    if is_default and call.actor.role(one.name, one.private) != "admin":
        raise Problem(403, "Must have admin rights to Repository.")
    one.git.set_ref(f"refs/heads/{new}", sha)
    branches = {**place_of(call.hub, one).branches, old: new}
    if is_default:
        one.git.run("symbolic-ref", "HEAD", f"refs/heads/{new}")
    one = change_place(call.hub, one, branches=branches, **({"default_branch": new} if is_default else {}))
    one.git.delete_ref(f"refs/heads/{old}")
    after = Aftermath(call.view, one, call.actor.login, (call.operation.name,))
    after.emit_branch(Update(f"refs/heads/{new}", "", sha))
    after.emit_branch(Update(f"refs/heads/{old}", sha, ""))
    if is_default:
        after.emit("repository", "edited", changes={"default_branch": {"from": old}})
    for pull in call.hub.store.all(Pull, repository=one.name, state="open"):
        if pull.base == old:
            pull.base, pull.updated_at = new, now()
            call.hub.store.put(pull)
            before = {"ref": {"from": old}, "sha": {"from": pull.base_sha}}
            after.emit_pull("edited", pull, changes={"base": before})
        elif pull.branch == old:
            after.close(pull)
    return Reply(show_branch(call, one, new), 201)


class Lock(Input):
    lock_reason: str | None = None


@operation("PUT", LOCK, needs="pull_requests:write", role="write")
def lock(call: Call) -> Reply:
    """Lock the conversation."""
    wanted, pull = call.read(Lock), call.pull
    if wanted.lock_reason not in (None, *LOCK_REASONS):
        raise invalid("Issue", "lock_reason")
    if not pull.locked:
        pull.locked, pull.lock_reason = True, wanted.lock_reason
        call.hub.store.put(pull)
        call.aftermath.emit_pull("locked", pull)
    return Reply(status=204)


@operation("DELETE", LOCK, needs="pull_requests:write", role="write")
def unlock(call: Call) -> Reply:
    """Unlock the conversation."""
    pull = call.pull
    if pull.locked:
        pull.locked, pull.lock_reason = False, None
        call.hub.store.put(pull)
        call.aftermath.emit_pull("unlocked", pull)
    return Reply(status=204)
