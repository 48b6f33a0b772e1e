"""The webhook of the command line as a repository's or an App's hook: its deliveries, and redelivery."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from pydantic import Field

from integrations.standins.github.hub import Repository
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, invalid, not_found
from integrations.standins.github.records import Delivery, Hook
from integrations.standins.github.routes.apps import signed_in_app
from integrations.standins.github.seed import FIRST_COMMIT
from integrations.standins.github.shapes.view import View
from integrations.standins.github.webhooks import Target, Webhooks, app_hook_id

HOOKS = "/repos/{owner}/{repo}/hooks"
HOOK_DELIVERIES = HOOKS + "/{hook_id}/deliveries"
APP_DELIVERIES = "/app/hook/deliveries"
ATTEMPTS = "/{delivery_id}/attempts"
PARTS = {"test": "test", "ping": "pings", "deliveries": "deliveries"}


@operation("GET", HOOKS, needs="repository_hooks:read", role="admin")
def list_hooks(call: Call) -> Reply:
    """The repository's own hooks."""
    repository = call.repository
    targets = [one for one in Webhooks(call.hub).targets(repository) if one.kind == "repository"]
    return Reply([_hook(call.view, repository, one) for one in targets])


class NewHook(Input):
    """A repository's webhook."""

    name: str = "web"
    active: bool = True
    events: list[str] = Field(default_factory=lambda: ["push"])
    config: dict[str, str]


@operation("POST", HOOKS, needs="repository_hooks:write", role="admin")
def create_hook(call: Call) -> Reply:
    """A new hook; the same URL twice is refused."""
    repository, wanted = call.repository, call.read(NewHook)
    url = wanted.config.get("url", "")
    if not url.startswith(("https://", "http://")):
        raise invalid("Hook", "url", code="missing_field")
    if call.hub.store.all(Hook, repository=repository.name, url=url):
        raise Problem(422, "Validation Failed", ["Hook already exists on this repository"])
    secret = wanted.config.get("secret", "")
    hook = Hook(call.hub.store.new_id(), repository.name, url, secret, wanted.events, wanted.active)
    call.hub.store.put(hook)
    target = Target(hook.id, url, secret, "repository", repository.id, None, tuple(hook.events))
    return Reply(_hook(call.view, repository, target), 201)


@operation("GET", "/app/hook/config")
def get_app_hook(call: Call) -> Reply:
    """The App's webhook."""
    app, wanted = signed_in_app(call), call.hub.webhook
    url = app.webhook_url or (wanted.url if wanted else "")
    return Reply({"content_type": "json", "insecure_ssl": "0", "url": url, "secret": "********"})


@operation("GET", HOOK_DELIVERIES, needs="repository_hooks:read", role="admin")
def list_hook_deliveries(call: Call) -> Reply:
    """The deliveries of this hook, newest first."""
    return _deliveries(call, _hook_id(call))


@operation("POST", HOOK_DELIVERIES + ATTEMPTS, needs="repository_hooks:write", role="admin")
def redeliver_to_hook(call: Call) -> Reply:
    """Send a delivery again."""
    return _redeliver(call, _hook_id(call))


@operation("GET", APP_DELIVERIES)
def list_app_deliveries(call: Call) -> Reply:
    """The deliveries of the App's hook, newest first."""
    return _deliveries(call, app_hook_id(signed_in_app(call)))


@operation("POST", APP_DELIVERIES + ATTEMPTS)
def redeliver_to_app(call: Call) -> Reply:
    """Send a delivery again."""
    return _redeliver(call, app_hook_id(signed_in_app(call)))


def _hook_id(call: Call) -> int:
    """The id in the path. Raises a 404 `Problem` unless it is a hook of the repository."""
    hook_id = call.number("hook_id")
    if hook_id not in {one.hook_id for one in Webhooks(call.hub).targets(call.repository) if one.kind == "repository"}:
        raise not_found()
    return hook_id


def _deliveries(call: Call, hook_id: int) -> Reply:
    """One page; the cursor is the id of the last delivery on the page before."""
    query = call.request.query
    size = min(int(query.get("per_page", 30)), 100)
    found = call.hub.store.all(Delivery, hook_id=hook_id)[::-1]
    page = [one for one in found if "cursor" not in query or one.id < int(query["cursor"])]
    link = {}
    if len(page) > size:
        address = call.request.base + call.operation.path.format(**call.request.params)
        link = {"Link": f'<{address}?{urlencode({"per_page": size, "cursor": page[size - 1].id})}>; rel="next"'}
    return Reply([_delivery_item(one) for one in page[:size]], headers=link, paginated=True)


def _redeliver(call: Call, hook_id: int) -> Reply:
    delivery = call.hub.store.get(Delivery, call.number("delivery_id"))
    if delivery is None or delivery.hook_id != hook_id:
        raise not_found()
    Webhooks(call.hub).redeliver(delivery)
    return Reply({}, 202)


def _hook(view: View, repository: Repository, one: Target) -> dict[str, Any]:
    """`hook`; the secret is never shown."""
    url = f"{view.repository_url(repository.name)}/hooks/{one.hook_id}"
    return {
        "type": "Repository",
        "id": one.hook_id,
        "name": "web",
        "active": True,
        "events": list(one.events),
        "config": {"content_type": "json", "insecure_ssl": "0", "url": one.url, "secret": "********"},
        **dict.fromkeys(("updated_at", "created_at"), FIRST_COMMIT),
        "url": url,
        **{f"{name}_url": f"{url}/{path}" for name, path in PARTS.items()},
        "last_response": {"code": None, "status": "unused", "message": None},
    }


def _delivery_item(one: Delivery) -> dict[str, Any]:
    """`hook-delivery-item`."""
    return {**{name: value for name, value in asdict(one).items() if name != "hook_id"}, "throttled_at": None}
