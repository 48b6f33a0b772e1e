"""Deliveries: their bodies, signatures, order, retries and faults."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLUnionType

from integrations.standins.linear.seed import stable_id
from integrations.standins.linear.server import Subscription
from tests.integrations.standins.linear.conftest import SECRET, Linear, Start, state_id
from tests.integrations.standins.receiver import Delivery, Receiver

SCALARS: dict[str, Any] = {"Float": (int, float), "Boolean": bool, "JSONObject": dict}  # any other is a string
ENG = stable_id("Team", "ENG")
WRITES: dict[str, Callable[[Linear, str], object]] = {
    "Issue create": lambda linear, _: linear.write("issueCreate", input={"teamId": ENG, "title": "New"}),
    "Issue update": lambda linear, _: linear.move("ENG-1", title="b", description="c"),
    "Issue remove": lambda linear, _: linear.write("issueDelete", id="ENG-2"),
    "Comment create": lambda linear, _: linear.comment(),
    "Comment update": lambda linear, comment: linear.write("commentUpdate", id=comment, input={"body": "y"}),
    "Reaction create": lambda linear, comment: react(linear, comment),
    "Reaction remove": lambda linear, comment: linear.write("reactionDelete", id=react(linear, comment)),
}


def react(linear: Linear, comment: str) -> str:
    linear.write("reactionCreate", input={"commentId": comment, "emoji": "eyes"})
    return str(linear.log()[-1]["result"])


def mistakes(value: Any, wanted: Any, place: str, members: dict[str, str]) -> list[str]:
    """Differences between a value and a type; a missing key is null, `members` names the member of each union."""
    if isinstance(wanted, GraphQLNonNull):
        return [f"{place} is missing"] if value is None else mistakes(value, wanted.of_type, place, members)
    if value is None or place.endswith(".reactionData"):  # JSONObject by type, a list in real traffic
        return []
    if isinstance(wanted, GraphQLUnionType):
        wanted = next(one for one in wanted.types if one.name == members[wanted.name])
    if isinstance(wanted, GraphQLList):
        return [found for one in value for found in mistakes(one, wanted.of_type, place, members)]
    if isinstance(wanted, GraphQLObjectType):
        found = [f"{place}.{name} is unknown" for name in value if name not in wanted.fields]
        for name, field in wanted.fields.items():
            found += mistakes(value.get(name), field.type, f"{place}.{name}", members)
        return found
    return [] if isinstance(value, SCALARS.get(wanted.name, str)) else [f"{place} is not {wanted.name}"]


@pytest.mark.parametrize("case", WRITES)
def test_body_fits_linears_types(subscribed: Linear, receiver: Receiver, published: GraphQLSchema, case: str) -> None:
    subscribed.write("issueAddLabel", id="ENG-1", labelId=stable_id("IssueLabel", "ENG", "bug"))
    WRITES[case](subscribed, subscribed.comment())
    assert subscribed.app.webhooks.settle()
    body = receiver.all[-1].body
    assert f"{body['type']} {body['action']}" == case
    members = {"DataWebhookPayload": f"{body['type']}WebhookPayload"}
    members["EntityActorWebhookPayload"] = "UserActorWebhookPayload"
    assert mistakes(body, published.type_map["EntityWebhookPayload"], "body", members) == []
    assert None not in body["data"].values()


def test_move_has_the_actor_and_the_old_column(subscribed: Linear, receiver: Receiver) -> None:
    subscribed.move("ENG-1", stateId=state_id("Agent"))
    body = receiver.take()[0].body
    assert (body["type"], body["action"], body["actor"]["name"]) == ("Issue", "update", "Ana Silva")
    assert (body["data"]["stateId"], body["data"]["state"]["name"]) == (state_id("Agent"), "Agent")
    assert body["updatedFrom"].keys() == {"stateId", "updatedAt"}
    assert body["updatedFrom"]["stateId"] == state_id("Backlog")


def test_link_is_given_only_for_an_issue_that_exists(subscribed: Linear, receiver: Receiver) -> None:
    subscribed.comment("ENG-2")
    subscribed.move("ENG-2", title="b")
    subscribed.write("issueDelete", id="ENG-2")
    links = [one.body.get("url") for one in receiver.take(3)]
    assert links == [None, f"{subscribed.url}/acme/issue/ENG-2/b", None]


def test_writes_of_the_app_are_sent_and_other_entities_are_not(subscribed: Linear, receiver: Receiver) -> None:
    subscribed.write("issueLabelCreate", input={"name": "n", "teamId": ENG})
    subscribed.write("attachmentCreate", input={"issueId": "ENG-1", "url": "https://example.com/", "title": "t"})
    subscribed.comment(token="lin_oauth_loop")
    body = receiver.take()[0].body
    assert (body["type"], body["actor"]["name"]) == ("Comment", "Loopline")
    assert body["data"]["userId"] == body["actor"]["id"]


# --- deliveries -----------------------------------------------------------------------------------------------------


def is_signed(one: Delivery) -> bool:
    return one.headers["linear-signature"] == hmac.new(SECRET.encode(), one.raw, hashlib.sha256).hexdigest()


def comments(receiver: Receiver, count: int = 1) -> list[str]:
    return [one.body["data"]["body"] for one in receiver.take(count)]


def test_delivery_has_linears_headers_and_a_signature_over_its_bytes(subscribed: Linear, receiver: Receiver) -> None:
    subscribed.comment(body="ünïcode → ✓")
    [delivery] = receiver.take()
    headers = delivery.headers
    assert is_signed(delivery)
    assert uuid.UUID(headers["linear-delivery"]).version == 4
    assert (headers["linear-event"], headers["user-agent"]) == ("Comment", "Linear-Webhook")
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert abs(time.time() * 1000 - int(headers["linear-timestamp"])) < 60_000
    assert f'"webhookTimestamp": {headers["linear-timestamp"]}'.encode() in delivery.raw


def test_deliveries_come_in_the_order_of_the_writes(subscribed: Linear, receiver: Receiver) -> None:
    wanted = [str(number) for number in range(20)]
    for text in wanted:
        subscribed.comment(body=text)
    assert comments(receiver, 20) == wanted


@pytest.mark.parametrize("code", [500, 404, 204, 201])
def test_answer_other_than_200_is_retried_under_the_same_id(subscribed: Linear, receiver: Receiver, code: int) -> None:
    receiver.answers = [code]
    subscribed.comment()
    first, second = receiver.take(2)
    assert first.headers["linear-delivery"] == second.headers["linear-delivery"]
    assert is_signed(second)
    assert first.headers["linear-timestamp"] < second.headers["linear-timestamp"]


def test_delivery_is_given_up_after_three_retries(subscribed: Linear, receiver: Receiver) -> None:
    receiver.answers = [500] * 10
    subscribed.comment()
    receiver.take(4)
    assert subscribed.app.webhooks.settle() and receiver.came.empty()


def test_failed_delivery_does_not_delay_the_next(start: Start, receiver: Receiver) -> None:
    linear = start(webhooks=[Subscription(receiver.url, SECRET)], retry_seconds=(1.5,))
    receiver.answers = [500]
    linear.comment(body="first")
    linear.comment(body="second")
    assert comments(receiver, 3) == ["first", "second", "first"]


def test_unreachable_receiver_never_blocks_a_write(start: Start) -> None:
    linear = start(webhooks=[Subscription("http://127.0.0.1:9/", SECRET)], retry_seconds=(60,))
    assert linear.comment()


# --- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "wanted"), [("webhook_drop", "b"), ("webhook_duplicate", "aab"), ("webhook_delay", "ba")]
)
def test_webhook_with_a_fault_comes_never_twice_or_late(
    subscribed: Linear, receiver: Receiver, kind: str, wanted: str
) -> None:
    subscribed.fault(operation="Comment", kind=kind, seconds=1.5)
    for body in "ab":
        subscribed.comment(body=body)
    came = receiver.take(len(wanted))
    assert [one.body["data"]["body"] for one in came] == [*wanted]
    assert len({one.headers["linear-delivery"] for one in came}) == len(came)
    assert subscribed.app.webhooks.settle() and receiver.came.empty()
