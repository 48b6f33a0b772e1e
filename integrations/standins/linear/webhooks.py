"""Sends changes to the subscribed URLs, in the order of the writes, from one thread per subscription.

Called by the mutations through `Context.announce` with the store's lock held, so it only builds bodies and queues them.
An answer other than 200 within 5 s is a failure, as at Linear, and is retried after each of `retries` seconds with the
same `Linear-Delivery` and a fresh `webhookTimestamp`; a retry does not delay later deliveries.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from typing import Any

import structlog

from integrations.standins.linear.context import Change, Context
from integrations.standins.linear.payloads import envelope
from integrations.standins.linear.seed import ENTITIES
from integrations.standins.linear.store import Row
from integrations.standins.wire import WEBHOOK_FAULTS, Fault, Faults, Sender, deliver, hmac_sha256

log = structlog.get_logger(__name__)
DEADLINE_SECONDS = 5.0


class Webhooks:
    """The senders of the subscriptions. `retries` are the pauses in seconds before each retry."""

    def __init__(self, faults: Faults, retries: Sequence[float]) -> None:
        self._faults = faults
        self._retries = tuple(retries)
        self._senders: dict[str, Sender] = {}

    def announce(self, context: Context, operation: str, change: Change) -> None:
        """Queue a delivery to each subscription."""
        kind, subscriptions = change.row["__typename"], context.store.rows("Webhook")
        if kind not in ENTITIES or not subscriptions:
            return
        body = envelope(context, change)
        for subscription in subscriptions:
            fault = self._faults.take((operation, kind), WEBHOOK_FAULTS)
            for delay in _delays(fault):
                delivery = {**body, "webhookId": subscription["id"]}
                self._schedule(subscription, delivery, str(uuid.uuid4()), delay, self._retries)

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until no delivery is pending; whether that happened within `timeout` seconds."""
        return all(sender.settle(timeout) for sender in list(self._senders.values()))

    def close(self) -> None:
        """Stop sending; pending deliveries are lost."""
        for sender in self._senders.values():
            sender.close()

    def _schedule(
        self, subscription: Row, body: dict[str, Any], name: str, delay: float, left: Sequence[float]
    ) -> None:
        sender = self._senders.setdefault(subscription["id"], Sender())
        sender.schedule(lambda: self._send(subscription, body, name, left), delay)

    def _send(self, subscription: Row, body: dict[str, Any], name: str, left: Sequence[float]) -> None:
        now = int(time.time() * 1000)
        content = json.dumps({**body, "webhookTimestamp": now}, ensure_ascii=False).encode()
        headers = _headers(name, body["type"], now, hmac_sha256(subscription["secret"], content))
        answer = deliver(subscription["url"], headers, content, DEADLINE_SECONDS)
        if answer.code == 200:
            return
        log.warning("webhook_failed", delivery=name, status=answer.code, reason=answer.reason, retries_left=len(left))
        if left:
            self._schedule(subscription, body, name, left[0], left[1:])


def _headers(delivery: str, kind: str, now: int, signature: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json; charset=utf-8",
        "Accept-Charset": "utf-8",
        "User-Agent": "Linear-Webhook",
        "Linear-Delivery": delivery,
        "Linear-Event": kind,
        "Linear-Timestamp": str(now),
        "Linear-Signature": signature,
    }


def _delays(fault: Fault | None) -> tuple[float, ...]:
    """The delay in seconds of each delivery to make: usually one, at once."""
    if fault is None:
        return (0.0,)
    by_kind = {"webhook_drop": (), "webhook_duplicate": (0.0, 0.0), "webhook_delay": (fault.seconds,)}
    return by_kind[fault.kind]
