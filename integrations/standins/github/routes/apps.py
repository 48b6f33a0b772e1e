"""GitHub Apps: the App itself, where it is installed, tokens for an installation."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from integrations.standins.github.auth import LEVELS
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, not_found
from integrations.standins.github.records import Revocation
from integrations.standins.github.seed import App, Installation
from integrations.standins.github.shapes.apps import app as app_shape
from integrations.standins.github.shapes.apps import installation as installation_shape
from integrations.standins.github.shapes.repositories import repository


class WantedToken(Input):
    """What a token shall be good for; everything that the installation has when it says nothing."""

    repositories: list[str] = Field(default_factory=list)
    repository_ids: list[int] = Field(default_factory=list)
    permissions: dict[str, str] = Field(default_factory=dict)


def signed_in_app(call: Call) -> App:
    """The App that signed the request. Raises a 401 `Problem` for every other caller."""
    if call.actor.kind != "app" or call.actor.app is None:
        raise Problem(401, "A JSON web token could not be decoded")
    return call.actor.app


@operation("GET", "/app")
def get_app(call: Call) -> Reply:
    """The App that asks."""
    return Reply({**app_shape(call.view, signed_in_app(call)), "installations_count": 1})


@operation("GET", "/repos/{owner}/{repo}/installation")
def get_installation(call: Call) -> Reply:
    """The App's installation on this repository."""
    app = signed_in_app(call)
    repository = call.hub.repository(f"{call.request.params['owner']}/{call.request.params['repo']}")
    for one in app.installations:
        if repository.name in one.repositories:
            return Reply(installation_shape(call.view, app, one))
    raise not_found()


@operation("POST", "/app/installations/{installation_id}/access_tokens")
def create_token(call: Call) -> Reply:
    """A token for one hour, at most for what the installation has."""
    app = signed_in_app(call)
    installed = next((one for one in app.installations if one.id == call.number("installation_id")), None)
    if installed is None:
        raise not_found()
    wanted = call.read(WantedToken)
    names = _repositories(call, installed, wanted)
    permissions = _permissions(installed, wanted)
    token, expires = call.hub.gate.issue(app, installed, permissions, names)
    answer: dict[str, object] = {
        "token": token,
        "expires_at": datetime.fromtimestamp(expires, UTC).isoformat().replace("+00:00", "Z"),
        "permissions": permissions,
        "repository_selection": "selected",
    }
    if wanted.repositories or wanted.repository_ids:
        answer["repositories"] = [repository(call.view, call.hub.repository(name)) for name in names]
    return Reply(answer, 201)


@operation("DELETE", "/installation/token")
def revoke_token(call: Call) -> Reply:
    """Give the token back before its hour is over."""
    if call.actor.kind != "installation":
        raise Problem(401, "Bad credentials")
    call.hub.store.put(Revocation(call.hub.store.new_id(), call.actor.token_id))
    return Reply(status=204)


@operation("GET", "/installation/repositories")
def list_repositories(call: Call) -> Reply:
    """What the token may see."""
    if call.actor.kind != "installation":
        raise Problem(403, "Resource not accessible by personal access token")
    seen = [repository(call.view, call.hub.repository(name)) for name in sorted(call.actor.repositories)]
    return Reply({"total_count": len(seen), "repository_selection": "selected", "repositories": seen})


def _repositories(call: Call, installed: Installation, wanted: WantedToken) -> list[str]:
    """Full names of the repositories asked for; names in the request have no owner in front."""
    known = [call.hub.repository(name) for name in installed.repositories]
    if not (wanted.repositories or wanted.repository_ids):
        return [one.name for one in known]
    chosen = [
        one.name for one in known if one.name.split("/")[1] in wanted.repositories or one.id in wanted.repository_ids
    ]
    if len(chosen) < len({*wanted.repositories, *wanted.repository_ids}):
        raise Problem(
            422, "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    return chosen


def _permissions(installed: Installation, wanted: WantedToken) -> dict[str, str]:
    granted = installed.permissions
    for name, level in wanted.permissions.items():
        if level not in LEVELS or LEVELS.index(level) > LEVELS.index(granted.get(name, "none")):
            raise Problem(422, "The permissions requested are not granted to this installation.")
    return {"metadata": "read", **wanted.permissions} if wanted.permissions else dict(granted)
