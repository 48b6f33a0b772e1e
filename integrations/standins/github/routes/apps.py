"""GitHub Apps: their installations and tokens; and the rate limit."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from integrations.standins.github.auth import BAD_JWT, LEVELS, installation_on
from integrations.standins.github.manifests import create_app
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, not_found
from integrations.standins.github.seed import FIRST_COMMIT, App, Installation
from integrations.standins.github.shapes.people import app as app_shape
from integrations.standins.github.shapes.people import installation as installation_shape
from integrations.standins.github.shapes.repositories import repository


class WantedToken(Input):
    """The repositories, without their owner, and the permissions of a token; by default those of the installation."""

    repositories: list[str] = Field(default_factory=list)
    permissions: dict[str, str] = Field(default_factory=dict)


@operation("GET", "/rate_limit")
def rate_limit(call: Call) -> Reply:
    """The remaining requests; this request does not count."""
    core = call.hub.rate(call.actor.key)
    unused = {**core, "used": 0, "remaining": core["limit"]}
    return Reply({"resources": {"core": core, "search": unused, "graphql": unused}, "rate": core})


def signed_in_app(call: Call) -> App:
    """The App that signed the request. Raises a 401 `Problem` for any other caller."""
    if call.actor.kind != "app" or call.actor.app is None:
        raise Problem(401, BAD_JWT)
    return call.actor.app


@operation("GET", "/app")
def get_app(call: Call) -> Reply:
    """The App itself."""
    app = signed_in_app(call)
    return Reply({**app_shape(call.view, app), "installations_count": len(app.installations)})


@operation("GET", "/app/installations")
def list_installations(call: Call) -> Reply:
    """The accounts on which the App is installed."""
    app = signed_in_app(call)
    found = []
    for one in app.installations:
        shape = installation_shape(call.view, app, one)
        # GitHub's description has a user and an enterprise in `allOf`.
        both = {"name": one.account, "slug": one.account, **dict.fromkeys(("created_at", "updated_at"), FIRST_COMMIT)}
        found.append({**shape, "account": {**both, **shape["account"]}})
    return Reply(found)


@operation("POST", "/app-manifests/{code}/conversions")
def convert_manifest(call: Call) -> Reply:
    """The App of a manifest, with its key and secrets, once."""
    pending = call.hub.manifests.pop(call.request.params["code"], None)
    if pending is None:
        raise not_found()
    app, key = create_app(call.hub, pending[0])
    hidden = {"client_id": f"Iv1.{app.id}", "client_secret": "0" * 40, "webhook_secret": app.webhook_secret, "pem": key}
    return Reply({**app_shape(call.view, app), **hidden}, 201)


@operation("GET", "/repos/{owner}/{repo}/installation")
def get_installation(call: Call) -> Reply:
    """The App's installation on this repository."""
    app = signed_in_app(call)
    repository = call.hub.repository(f"{call.request.params['owner']}/{call.request.params['repo']}")
    installed = installation_on(app, repository.name)
    if installed is None:
        raise not_found()
    return Reply(installation_shape(call.view, app, installed))


@operation("POST", "/app/installations/{installation_id}/access_tokens")
def create_token(call: Call) -> Reply:
    """A token for one hour, with at most the permissions of the installation."""
    app = signed_in_app(call)
    installed = next((one for one in app.installations if one.id == call.number("installation_id")), None)
    if installed is None:
        raise not_found()
    wanted = call.read(WantedToken)
    names, permissions = _repositories(call, installed, wanted), _permissions(installed, wanted)
    token, expires = call.hub.gate.issue(app, permissions, names)
    answer: dict[str, object] = {
        "token": token,
        "expires_at": datetime.fromtimestamp(expires, UTC).isoformat().replace("+00:00", "Z"),
        "permissions": permissions,
        "repository_selection": "selected",
    }
    if wanted.repositories:
        answer["repositories"] = [repository(call.view, call.hub.repository(name)) for name in names]
    return Reply(answer, 201)


def _repositories(call: Call, installed: Installation, wanted: WantedToken) -> list[str]:
    """The full names of the requested repositories."""
    known = [call.hub.repository(name).name for name in installed.repositories]
    chosen = [name for name in known if name.split("/")[1] in wanted.repositories]
    if len(chosen) < len({*wanted.repositories}):
        raise Problem(
            422, "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    return chosen or known


def _permissions(installed: Installation, wanted: WantedToken) -> dict[str, str]:
    granted = installed.permissions
    for name, level in wanted.permissions.items():
        if level not in LEVELS or LEVELS.index(level) > LEVELS.index(granted.get(name, "none")):
            raise Problem(422, "The permissions requested are not granted to this installation.")
    return {"metadata": "read", **wanted.permissions} if wanted.permissions else dict(granted)
