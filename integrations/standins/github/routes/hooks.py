"""Repository webhooks, and what was delivered to them and to an App's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from pydantic import Field

from integrations.standins.github.hub import now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import invalid, not_found
from integrations.standins.github.records import Delivery, Hook
from integrations.standins.github.routes.apps import signed_in_app
from integrations.standins.github.shapes.hooks import delivery, delivery_item, hook
from integrations.standins.github.webhooks import Webhooks, target_of

HOOKS = "/repos/{owner}/{repo}/hooks"
APP = "/app/hook/deliveries"
Mine = Callable[[Delivery], bool]


class HookConfig(Input):
    url: str = ""
    content_type: str = "form"
    secret: str = ""
    insecure_ssl: str | int = "0"


class NewHook(Input):
    name: str = "web"
    config: HookConfig
    events: list[str] = Field(default=["push"])
    active: bool = True


@operation("GET", HOOKS, needs="repository_hooks:read", role="admin")
def list_hooks(call: Call) -> Reply:
    """The repository's own hooks."""
    hooks = call.hub.store.all(Hook, repository=call.repository.name)
    return Reply([_shown(call, one) for one in hooks])


@operation("POST", HOOKS, needs="repository_hooks:write", role="admin")
def create_hook(call: Call) -> Reply:
    """A new hook; its first delivery is a ping."""
    wanted, repository = call.read(NewHook), call.repository
    if not wanted.config.url.startswith(("http://", "https://")):
        raise invalid("Hook", "url", "url is not a valid URL", "custom")
    if wanted.config.content_type != "json":
        raise invalid("Hook", "content_type", "this stand-in sends json only", "custom")
    id = call.hub.store.new_id()
    config = wanted.config
    one = Hook(id, repository.name, config.url, config.secret, wanted.events, now(), wanted.active)
    call.hub.store.put(one)
    Webhooks(call.hub).ping(target_of(one, repository))
    return Reply(_shown(call, one), 201)


@operation("GET", HOOKS + "/{hook_id}/deliveries", needs="repository_hooks:read", role="admin")
def list_hook_deliveries(call: Call) -> Reply:
    """What this hook was sent, newest first."""
    return _listed(call, _of_hook(call))


@operation("GET", HOOKS + "/{hook_id}/deliveries/{delivery_id}", needs="repository_hooks:read", role="admin")
def get_hook_delivery(call: Call) -> Reply:
    """One delivery with its payload."""
    return _detail(call, _of_hook(call))


@operation("POST", HOOKS + "/{hook_id}/deliveries/{delivery_id}/attempts", needs="repository_hooks:write", role="admin")
def redeliver_to_hook(call: Call) -> Reply:
    """Send it again."""
    return _again(call, _of_hook(call))


@operation("GET", APP)
def list_app_deliveries(call: Call) -> Reply:
    """What the App's hook was sent, newest first."""
    return _listed(call, _of_app(call))


@operation("GET", APP + "/{delivery_id}")
def get_app_delivery(call: Call) -> Reply:
    """One delivery with its payload."""
    return _detail(call, _of_app(call))


@operation("POST", APP + "/{delivery_id}/attempts")
def redeliver_to_app(call: Call) -> Reply:
    """Send it again."""
    return _again(call, _of_app(call))


def _of_app(call: Call) -> Mine:
    app = signed_in_app(call)
    return lambda one: one.target == "integration" and one.target_id == app.id


def _of_hook(call: Call) -> Mine:
    repository, hook_id = call.repository, call.number("hook_id")
    return lambda one: one.target == "repository" and one.target_id == repository.id and one.hook_id == hook_id


def _shown(call: Call, one: Hook) -> dict[str, object]:
    sent = call.hub.store.all(Delivery, hook_id=one.id)
    return hook(call.view, one, sent[-1] if sent else None)


def _listed(call: Call, mine: Mine) -> Reply:
    """One page; the cursor is the id to go on below."""
    query = call.request.query
    size = min(int(query.get("per_page", 30)), 100)
    below = int(query["cursor"]) if query.get("cursor") else None
    found = [one for one in reversed(call.hub.store.all(Delivery)) if mine(one) and _has_status(one, query)]
    page = [one for one in found if below is None or one.id < below]
    link = {}
    if len(page) > size:
        more = urlencode({**query, "per_page": size, "cursor": page[size - 1].id})
        link = {"Link": f'<{call.request.base}{_path(call)}?{more}>; rel="next"'}
    return Reply([delivery_item(one) for one in page[:size]], headers=link, paginated=True)


def _path(call: Call) -> str:
    return call.operation.path.format(**call.request.params)


def _has_status(one: Delivery, query: Mapping[str, str]) -> bool:
    wanted = query.get("status")
    return wanted is None or (wanted == "success") == (200 <= one.status_code < 400)


def _find(call: Call, mine: Mine) -> Delivery:
    one = call.hub.store.get(Delivery, call.number("delivery_id"))
    if one is None or not mine(one):
        raise not_found()
    return one


def _detail(call: Call, mine: Mine) -> Reply:
    one = _find(call, mine)
    return Reply(delivery(one, Webhooks(call.hub).payload(one)))


def _again(call: Call, mine: Mine) -> Reply:
    Webhooks(call.hub).redeliver(_find(call, mine))
    return Reply({}, 202)
