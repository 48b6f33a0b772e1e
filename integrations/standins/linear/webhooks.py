"""Sends changes to the subscribed URLs, in the order of the writes, from one thread per subscription.

Called by the mutations through `Context.announce` with the store's lock held, so it only builds bodies and queues them.
An answer other than 200 within 5 s is a failure, as at Linear, and is retried after each of `retries` seconds with the
same `Linear-Delivery` and a fresh `webhookTimestamp`; a retry does not delay later deliveries.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from integrations.standins.linear.context import Change, Context, identifier, issue_url, profile_url
from integrations.standins.linear.seed import ENTITIES, stable_id
from integrations.standins.linear.session_webhooks import KINDS, app_envelope
from integrations.standins.linear.store import Row, Store
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
        if kind not in (*ENTITIES, *KINDS) or not subscriptions:
            return
        body = app_envelope(context, change) if kind in KINDS else envelope(context, change)
        if body is None:
            return
        for subscription in subscriptions:
            if not _is_subscribed(subscription, body):
                continue
            fault = self._faults.take((operation, kind), WEBHOOK_FAULTS)
            for delay in _delays(fault):
                delivery = {**body, "webhookId": subscription["id"]}
                self._schedule(subscription, delivery, str(uuid.uuid4()), delay, self._retries)

    def send(self, store: Store, kind: str, action: str, about: Mapping[str, Any]) -> None:
        """Queue a delivery about an OAuth app to each subscription."""
        body = {"type": kind, "action": action, "createdAt": store.now(), **about}
        body["organizationId"] = store.rows("Organization")[0]["id"]
        for subscription in store.rows("Webhook"):
            fault = self._faults.take((kind,), WEBHOOK_FAULTS)
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


def _is_subscribed(subscription: Row, body: Mapping[str, Any]) -> bool:
    """Whether an enabled subscription to this kind covers the team. An app's own events are not of a team."""
    data = body.get("data", {})
    issue = data if body["type"] == "Issue" else data.get("issue", {})
    team = subscription["teamId"]
    covers = team is None or issue.get("teamId", team) == team
    return bool(subscription["enabled"]) and body["type"] in subscription["resourceTypes"] and covers


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


# --- the body: Linear's `EntityWebhookPayload` -----------------------------------------------------------------------
# The shapes are those of Linear's published types, with the properties of its real traffic: nulls are left out of
# `data`, `updatedFrom` has raw column names, `url` is set on issues only and not on their removal, `reactionData` is a
# list.

Child = dict[str, Any]


def envelope(context: Context, change: Change) -> dict[str, Any]:
    """The body of a delivery without `webhookId` and `webhookTimestamp`."""
    row = change.row
    body: dict[str, Any] = {
        "type": row["__typename"],
        "action": change.action,
        "createdAt": context.store.now(),
        "organizationId": context.store.rows("Organization")[0]["id"],
        "actor": _actor(context),
        "data": _data(context, row),
    }
    if change.action == "update":
        body["updatedFrom"] = _updated_from(change)
    if row["__typename"] == "Issue" and change.action != "remove":
        body["url"] = issue_url(context, row)
    return body


def _actor(context: Context) -> Child | None:
    """The user or integration that acts; null for an automation, as in Linear's traffic."""
    if context.bot is None:
        return {**_user(context, context.viewer["id"]), "type": "user"}
    return (
        {"id": stable_id("Integration", context.bot), "service": context.bot, "type": "integration"}
        if context.bot
        else None
    )


def _updated_from(change: Change) -> dict[str, Any]:
    """The old values of the columns that differ."""
    before = change.before or {}
    return {name: before.get(name) for name, value in change.row.items() if value != before.get(name)}


def _data(context: Context, row: Row) -> dict[str, Any]:
    more = {"Issue": _issue, "Comment": _comment, "Reaction": _reaction}[row["__typename"]]
    return {name: value for name, value in row.items() if value is not None and name != "__typename"} | dict(
        more(context, row)
    )


def _issue(context: Context, row: Row) -> Mapping[str, Any]:
    labels = [context.find("IssueLabel", label_id) for label_id in row["labelIds"]]
    return {
        "identifier": identifier(context, row),
        "url": issue_url(context, row),
        "priorityLabel": "No priority",
        "prioritySortOrder": row["sortOrder"],
        "previousIdentifiers": [],
        "releases": [],
        "reactionData": [],
        "creator": _user(context, row["creatorId"]),
        "state": _pick(context.find("WorkflowState", row["stateId"]), "id", "color", "name", "type"),
        "team": _team(context, row),
        **{name: _user(context, row[f"{name}Id"]) for name in ("assignee", "delegate") if row[f"{name}Id"]},
        "labels": [_pick(label, "id", "color", "name", "parentId") for label in labels],
    }


def _comment(context: Context, row: Row) -> Mapping[str, Any]:
    issue = context.find("Issue", row["issueId"])
    names = {"identifier": identifier(context, issue), "url": issue_url(context, issue)}
    child = {**_pick(issue, "id", "title", "teamId"), **names, "team": _team(context, issue)}
    return {"reactionData": [], "user": _user(context, row["userId"]), "issue": child}


def _reaction(context: Context, row: Row) -> Mapping[str, Any]:
    comment = _pick(context.find("Comment", row["commentId"]), "id", "body", "userId", "issueId")
    return {"user": _user(context, row["userId"]), "comment": comment}


def _user(context: Context, user_id: str) -> Child:
    row = context.find("User", user_id)
    return {**_pick(row, "id", "name", "email"), "url": profile_url(context, row)}


def _team(context: Context, issue: Row) -> Child:
    return _pick(context.find("Team", issue["teamId"]), "id", "key", "name")


def _pick(row: Row, *names: str) -> Child:
    return {name: row[name] for name in names}
