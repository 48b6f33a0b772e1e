"""Deliveries: who gets them, how they are signed, in which order, and what happens when nobody takes them."""

from __future__ import annotations

import hashlib
import hmac
import queue
import time
import uuid
from typing import Any

import pytest

from integrations.standins.linear.server import Subscription
from tests.integrations.standins.linear.conftest import SECRET, Linear, Receiver, Start

CREATE = "mutation($i: WebhookCreateInput!) { webhookCreate(input: $i) { success webhook { id secret enabled } } }"


def subscribe(linear: Linear, receiver: Receiver, **columns: Any) -> Any:
    input = {"url": receiver.url, "resourceTypes": ["Comment"], "teamId": "ENG", **columns}
    return linear.ask(CREATE, {"i": input})["webhookCreate"]["webhook"]


def nothing_came(linear: Linear, receiver: Receiver) -> bool:
    return linear.app.webhooks.settle() and receiver.came.empty()


def test_a_delivery_has_linears_headers_and_a_signature_over_its_bytes(subscribed: Linear, receiver: Receiver) -> None:
    subscribed.comment(body="ünïcode → ✓")
    [(headers, body)] = receiver.take()
    assert headers["linear-signature"] == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert uuid.UUID(headers["linear-delivery"]).version == 4
    assert (headers["linear-event"], headers["user-agent"]) == ("Comment", "Linear-Webhook")
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert abs(time.time() * 1000 - int(headers["linear-timestamp"])) < 60_000


def test_the_signed_timestamp_is_the_headers(subscribed: Linear, receiver: Receiver) -> None:
    subscribed.comment()
    [(headers, body)] = receiver.take()
    assert f'"webhookTimestamp": {headers["linear-timestamp"]}'.encode() in body


def test_a_move_says_who_did_it_and_what_was_before(subscribed: Linear, receiver: Receiver) -> None:
    before, after = subscribed.state_id("Backlog"), subscribed.state_id("Agent")
    subscribed.move("ENG-1", stateId=after)
    [body] = receiver.bodies()
    assert (body["type"], body["action"], body["actor"]["name"]) == ("Issue", "update", "Ana Silva")
    assert (body["data"]["stateId"], body["data"]["state"]["name"]) == (after, "Agent")
    assert body["updatedFrom"].keys() == {"stateId", "startedAt", "updatedAt"}
    assert (body["updatedFrom"]["stateId"], body["updatedFrom"]["startedAt"]) == (before, None)


def test_the_apps_own_writes_are_told_too(subscribed: Linear, receiver: Receiver) -> None:
    subscribed.comment(token="lin_oauth_loop")
    [body] = receiver.bodies()
    assert body["actor"]["name"] == "Loopline"
    assert body["data"]["userId"] == body["actor"]["id"]


def test_deliveries_come_in_the_order_of_the_writes(subscribed: Linear, receiver: Receiver) -> None:
    for number in range(20):
        subscribed.comment(body=str(number))
    assert [body["data"]["body"] for body in receiver.bodies(20)] == [str(number) for number in range(20)]


@pytest.mark.parametrize("code", [500, 404, 204, 201])
def test_any_answer_but_200_is_tried_again_with_the_same_name(
    subscribed: Linear, receiver: Receiver, code: int
) -> None:
    receiver.answers = [code]
    subscribed.comment()
    (first, _), (second, again) = receiver.take(2)
    assert first["linear-delivery"] == second["linear-delivery"]
    assert second["linear-signature"] == hmac.new(SECRET.encode(), again, hashlib.sha256).hexdigest()
    assert first["linear-timestamp"] < second["linear-timestamp"]


def test_after_three_retries_linear_gives_up(subscribed: Linear, receiver: Receiver) -> None:
    receiver.answers = [500] * 10
    subscribed.comment()
    receiver.take(4)
    assert nothing_came(subscribed, receiver)


def test_a_failed_delivery_does_not_hold_up_the_next(start: Start, receiver: Receiver) -> None:
    linear = start(webhooks=[Subscription(receiver.url, SECRET)], retry_seconds=(0.3,))
    receiver.answers = [500]
    linear.comment(body="first")
    linear.comment(body="second")
    assert [body["data"]["body"] for body in receiver.bodies(3)] == ["first", "second", "first"]


def test_a_receiver_that_is_away_never_blocks_a_write(start: Start) -> None:
    linear = start(webhooks=[Subscription("http://127.0.0.1:9/", SECRET)], retry_seconds=(60,))
    assert linear.comment()


# --- subscriptions ---------------------------------------------------------------------------------------------------


def test_a_subscription_hears_of_its_types_and_its_team_only(linear: Linear, receiver: Receiver) -> None:
    subscribe(linear, receiver)
    linear.comment("OPS-1")
    linear.move("ENG-1", title="not a comment")
    linear.comment("ENG-1", body="this")
    assert [body["data"]["body"] for body in receiver.bodies()] == ["this"]
    assert nothing_came(linear, receiver)


def test_a_secret_is_made_and_signs(linear: Linear, receiver: Receiver) -> None:
    secret = subscribe(linear, receiver)["secret"]
    linear.comment()
    [(headers, body)] = receiver.take()
    assert headers["linear-signature"] == hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    assert secret not in str(linear.log())


def test_a_subscription_can_be_switched_off_and_deleted(linear: Linear, receiver: Receiver) -> None:
    made = subscribe(linear, receiver)["id"]
    update = "mutation($id: String!, $i: WebhookUpdateInput!) { webhookUpdate(id: $id, input: $i) { success } }"
    linear.ask(update, {"id": made, "i": {"enabled": False}})
    linear.comment()
    assert nothing_came(linear, receiver)
    linear.ask("mutation($id: String!) { webhookDelete(id: $id) { success } }", {"id": made})
    assert linear.ask("{ webhooks { nodes { id } } }")["webhooks"]["nodes"] == []


@pytest.mark.parametrize("token", ["lin_api_ben", "lin_oauth_loop"])
def test_only_an_admin_may_subscribe(linear: Linear, receiver: Receiver, token: str) -> None:
    input = {"url": receiver.url, "resourceTypes": ["Comment"], "allPublicTeams": True}
    assert linear.error(CREATE, {"i": input}, token)["extensions"]["type"] == "forbidden"


@pytest.mark.parametrize(
    "columns",
    [{"teamId": None}, {"allPublicTeams": True}, {"resourceTypes": ["Comments"]}, {"url": "ftp://x"}, {"teamId": "NO"}],
)
def test_a_subscription_that_cannot_work_is_refused(linear: Linear, columns: dict[str, Any]) -> None:
    input = {"url": "http://127.0.0.1:9/", "resourceTypes": ["Comment"], "teamId": "ENG", **columns}
    assert linear.error(CREATE, {"i": input})["extensions"]["userError"]


# --- misbehaviour ----------------------------------------------------------------------------------------------------


def test_a_dropped_webhook_never_comes(subscribed: Linear, receiver: Receiver) -> None:
    subscribed.fault(operation="commentCreate", kind="webhook_drop")
    subscribed.comment(body="lost")
    subscribed.comment(body="sent")
    assert [body["data"]["body"] for body in receiver.bodies()] == ["sent"]


def test_a_duplicate_comes_twice_under_two_names(subscribed: Linear, receiver: Receiver) -> None:
    subscribed.fault(operation="Comment", kind="webhook_duplicate")
    subscribed.comment()
    (first, _), (second, _) = receiver.take(2)
    assert first["linear-delivery"] != second["linear-delivery"]


def test_a_delayed_webhook_is_overtaken(subscribed: Linear, receiver: Receiver) -> None:
    subscribed.fault(operation="*", kind="webhook_delay", seconds=0.3)
    subscribed.comment(body="first")
    subscribed.comment(body="second")
    assert [body["data"]["body"] for body in receiver.bodies(2)] == ["second", "first"]
    with pytest.raises(queue.Empty):
        receiver.take(timeout=0.05)
