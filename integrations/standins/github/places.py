"""Names and states of repositories after the seed: renames, transfers, archives, renamed branches, and access.

The bare repository of a renamed one stays in its folder. Its old names redirect, as GitHub's do, until another
repository takes them."""

from __future__ import annotations

from dataclasses import replace

from integrations.standins.github.auth import Gate
from integrations.standins.github.hub import Hub, Repository
from integrations.standins.github.records import Place


def place_of(hub: Hub, repository: Repository) -> Place:
    """The record of the repository, created on first use."""
    for found in hub.store.all(Place, repository_id=repository.id):
        return found
    seeded = repository.seeded
    return Place(hub.store.new_id(), repository.id, repository.name, seeded.archived, seeded.default_branch)


def change_place(hub: Hub, repository: Repository, **changed: object) -> Repository:
    """Set fields of the record, and return the repository as it is now."""
    place = place_of(hub, repository)
    for name, value in changed.items():
        setattr(place, name, value)
    if place.name != repository.name:
        place.former = [*(name for name in place.former if name != place.name), repository.name]
    hub.store.put(place)
    for kind in hub.store.kinds():
        for record in hub.store.all(kind):
            if getattr(record, "repository", "") == repository.name != place.name:
                vars(record)["repository"] = place.name
                hub.store.put(record)
    return apply_place(hub, place)


def apply_place(hub: Hub, place: Place) -> Repository:
    """Let the hub's repository and permissions follow the record."""
    old = next(one for one in hub.repositories.values() if one.id == place.repository_id)
    seeded = old.seeded.model_copy(
        update={"name": place.name, "archived": place.archived, "default_branch": place.default_branch}
    )
    now = replace(old, seeded=seeded)
    hub.repositories = {
        one.name: one for one in (now if one.id == old.id else one for one in hub.repositories.values())
    }

    def rename(name: str) -> str:
        return place.name if name == old.name else name

    users = [
        user.model_copy(
            update={
                "permissions": {
                    rename(name): role
                    for name, role in user.permissions.items()
                    if rename(name) != place.name or user.login not in place.removed
                }
            }
        )
        for user in hub.seed.users
    ]
    apps = [
        app.model_copy(
            update={
                "installations": [
                    one.model_copy(update={"repositories": [rename(name) for name in one.repositories]})
                    for one in app.installations
                ]
            }
        )
        for app in hub.seed.apps
    ]
    hub.seed = hub.seed.model_copy(update={"users": users, "apps": apps})
    hub.gate = Gate(hub.seed, hub.secret, {**hub.gate.renamed, **dict.fromkeys(place.former, place.name)})
    return now


def find_new_name(hub: Hub, name: str) -> str:
    """The present name of a repository that had this name, empty if there is none."""
    former = (one for one in hub.store.all(Place) if name.lower() in (old.lower() for old in one.former))
    return next((one.name for one in former), "")
