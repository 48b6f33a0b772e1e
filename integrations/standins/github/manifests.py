"""Creation of Apps from a manifest: the form that a person confirms, and the page that installs an App.

Source: https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

from __future__ import annotations

import json
import secrets
from html import escape
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from flask import Blueprint, Response, redirect, request
from pydantic import BaseModel, ConfigDict
from werkzeug.wrappers import Response as AnyResponse

from integrations.standins.github.hub import Hub
from integrations.standins.github.seed import App, Installation

EVENT_NEEDS = {
    **dict.fromkeys(("pull_request", "pull_request_review", "pull_request_review_comment"), "pull_requests"),
    **dict.fromkeys(("check_run", "check_suite"), "checks"),
    "issue_comment": "issues",
    "workflow_run": "actions",
    "status": "statuses",
    "push": "contents",
    "merge_group": "merge_queues",
}
"""The permission, at least read, without which GitHub does not offer an event."""
FIRST_APP = 1_000


class _Hook(BaseModel):
    model_config = ConfigDict(extra="forbid")
    url: str
    active: bool = True


class Manifest(BaseModel):
    """The manifest's fields that the stand-in knows."""

    model_config = ConfigDict(extra="forbid")
    name: str
    url: str
    hook_attributes: _Hook
    redirect_url: str
    public: bool = False
    default_permissions: dict[str, str] = {}
    default_events: list[str] = []

    def find_problem(self) -> str:
        """Why GitHub refuses it; empty if it does not."""
        unsupported = [
            event for event in self.default_events if self.default_permissions.get(EVENT_NEEDS.get(event, "")) is None
        ]
        if unsupported:
            return f"Default events unsupported: {', '.join(unsupported)}"
        return "" if len(self.name) <= 34 else "Name is too long (maximum is 34 characters)"


def blueprint(hub: Hub) -> Blueprint:
    """The two pages, for forms of other sites."""
    pages = Blueprint("manifests", __name__)

    @pages.post("/settings/apps/new")
    @pages.post("/organizations/<organization>/settings/apps/new")
    def create(organization: str = "") -> AnyResponse:
        """A person confirms at once; the answer leads back with a code that is valid once."""
        manifest = Manifest.model_validate_json(request.form["manifest"])
        if problem := manifest.find_problem():
            return Response(f"<p>{escape(problem)}</p>", 422, content_type="text/html")
        code = secrets.token_hex(20)
        hub.manifests[code] = (manifest, organization)
        query = urlencode({"code": code, "state": request.args.get("state", "")})
        return redirect(f"{manifest.redirect_url}?{query}")

    @pages.route("/apps/<slug>/installations/new", methods=["GET", "POST"])
    def install(slug: str) -> AnyResponse:
        app = next((one for one in hub.seed.apps if one.slug == slug), None)
        if app is None:
            return Response("Not Found", 404)
        if request.method == "POST":
            names = list(hub.repositories)
            one = Installation(id=app.id, account="acme", repositories=names, permissions=app.permissions)
            keep_app(hub, app.model_copy(update={"installations": [one]}))
            return Response("<p>Installed.</p>", content_type="text/html")
        return Response('<form method="post"><button>Install</button></form>', content_type="text/html")

    return pages


def create_app(hub: Hub, manifest: Manifest) -> tuple[App, str]:
    """The App with a new key, and its private key in PEM format."""
    number = max([FIRST_APP, *(app.id for app in hub.seed.apps)]) + 1
    key = generate_private_key(65_537, 2048)
    folder = hub.home / "apps"
    folder.mkdir(exist_ok=True)
    public = folder / f"{number}.pub"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    app = App(
        id=number,
        slug=manifest.name.lower().replace(" ", "-"),
        name=manifest.name,
        public_key_file=public,
        permissions=manifest.default_permissions,
        events=manifest.default_events,
        webhook_url=manifest.hook_attributes.url,
        webhook_secret=secrets.token_hex(20),
    )
    keep_app(hub, app)
    return app, key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def keep_app(hub: Hub, app: App) -> None:
    """Add or replace the App, also in the folder from which a restart reads it."""
    hub.seed.apps[:] = [one for one in hub.seed.apps if one.id != app.id] + [app]
    (hub.home / "apps").mkdir(exist_ok=True)
    (hub.home / "apps" / f"{app.id}.json").write_text(json.dumps(app.model_dump(mode="json")))
