"""Webhook deliveries that GitHub could not hand over, and asking it for another try: GitHub never tries by itself.

Called by `github.py`. An App's own hook is asked for with the App's JWT, a repository's with whatever token there is.
Source: https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile

from pydantic import AwareDatetime

from integrations.code_hosts.github.api import GitHubApi, Grant, path
from integrations.code_hosts.github.payloads import Payload

ENOUGH_TRIES = 5  # somebody who refuses five times refuses on purpose
OUR_PATH = "/webhooks/github"


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


def hooks_of(api: GitHubApi, grant: Grant) -> Iterator[str]:
    """Where the deliveries of the repository's hooks that lead to us are listed."""
    for hook in api.items(_Hook, grant, path("repos", grant.repository, "hooks")):
        if hook.active and hook.config.url.rstrip("/").endswith(OUR_PATH):
            yield path("repos", grant.repository, "hooks", hook.id, "deliveries")


def redeliver(api: GitHubApi, grant: Grant, listed_at: str, since: float) -> int:
    """Ask again for what never arrived since `since` (Unix seconds); returns how many events that were.

    A try that ended in a broken connection is in no list of failures, so tries are grouped by event."""
    tries = api.items(_Delivery, grant, listed_at)
    missed = _missed(takewhile(lambda one: one.delivered_at.timestamp() >= since, tries))
    for delivery_id in missed:
        api.do(grant, "POST", f"{listed_at}/{delivery_id}/attempts")
    return len(missed)


def _missed(tries: Iterable[_Delivery]) -> list[int]:
    """The newest try of each event that has no good one, the oldest event first; `tries` come newest first."""
    by_event: dict[str, list[_Delivery]] = {}
    for one in tries:
        by_event.setdefault(one.guid, []).append(one)
    lost = [t for t in by_event.values() if len(t) < ENOUGH_TRIES and not any(one.status == "OK" for one in t)]
    return [t[0].id for t in reversed(lost)]
