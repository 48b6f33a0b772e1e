"""The webhook of the command line as a repository's or an App's hook: its deliveries, and redelivery."""

from __future__ import annotations

from urllib.parse import urlencode

from integrations.standins.github.operations import Call, Reply, operation
from integrations.standins.github.problems import not_found
from integrations.standins.github.records import Delivery
from integrations.standins.github.routes.apps import signed_in_app
from integrations.standins.github.shapes.hooks import delivery_item, hook
from integrations.standins.github.webhooks import Webhooks, app_hook_id

HOOKS = "/repos/{owner}/{repo}/hooks"
HOOK_DELIVERIES = HOOKS + "/{hook_id}/deliveries"
APP_DELIVERIES = "/app/hook/deliveries"
ATTEMPTS = "/{delivery_id}/attempts"


@operation("GET", HOOKS, needs="repository_hooks:read", role="admin")
def list_hooks(call: Call) -> Reply:
    """The repository's own hooks."""
    repository = call.repository
    targets = [one for one in Webhooks(call.hub).targets(repository) if one.kind == "repository"]
    return Reply([hook(call.view, repository, one) for one in targets])


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
    return Reply([delivery_item(one) for one in page[:size]], headers=link, paginated=True)


def _redeliver(call: Call, hook_id: int) -> Reply:
    delivery = call.hub.store.get(Delivery, call.number("delivery_id"))
    if delivery is None or delivery.hook_id != hook_id:
        raise not_found()
    Webhooks(call.hub).redeliver(delivery)
    return Reply({}, 202)
