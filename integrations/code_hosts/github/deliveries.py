"""Redelivery of failed webhook deliveries, which GitHub never retries itself.

Called by `code_host`. The deliveries of an App's own hook need the App's JWT, those of a repository's hooks any token.
Source: https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile

from pydantic import AwareDatetime

from integrations.code_hosts.github.api import GitHubApi, Grant, build_path
from integrations.code_hosts.github.payloads import Payload

MAX_ATTEMPTS = 5  # an event that Loopline refused five times is refused on purpose
MAX_REQUESTS = 200  # a call; GitHub permits 80 writes a minute and 500 an hour for content, more for others
WEBHOOK_PATH = "/webhooks/github"


class _Delivery(Payload):
    id: int
    guid: str
    delivered_at: AwareDatetime
    status: str = ""


class _HookConfig(Payload):
    url: str = ""


class _Hook(Payload):
    id: int
    active: bool = True
    config: _HookConfig = _HookConfig()


def list_delivery_paths(api: GitHubApi, grant: Grant) -> Iterator[str]:
    """API paths of the deliveries of the repository's hooks that point to Loopline."""
    for hook in api.paginate(_Hook, grant, build_path("repos", grant.repository, "hooks")):
        if hook.active and hook.config.url.rstrip("/").endswith(WEBHOOK_PATH):
            yield build_path("repos", grant.repository, "hooks", hook.id, "deliveries")


def redeliver(api: GitHubApi, grant: Grant, listed_at: str, since: float) -> int:
    """Redeliver the oldest events that failed since `since` (Unix seconds); returns their number. The next call
    continues.

    GitHub's filter for failures omits broken connections, so attempts are grouped by event here."""
    attempts = api.paginate(_Delivery, grant, listed_at)
    missed = _find_failed(takewhile(lambda attempt: attempt.delivered_at.timestamp() >= since, attempts))
    for delivery_id in missed[:MAX_REQUESTS]:
        api.send_only(grant, "POST", f"{listed_at}/{delivery_id}/attempts")
    return min(len(missed), MAX_REQUESTS)


def _find_failed(attempts: Iterable[_Delivery]) -> list[int]:
    """The newest attempt of each event without a successful one, oldest event first; `attempts` are newest first."""
    by_event: dict[str, list[_Delivery]] = {}
    for attempt in attempts:
        by_event.setdefault(attempt.guid, []).append(attempt)
    lost = [t for t in by_event.values() if len(t) < MAX_ATTEMPTS and not any(attempt.status == "OK" for attempt in t)]
    return [t[0].id for t in reversed(lost)]
