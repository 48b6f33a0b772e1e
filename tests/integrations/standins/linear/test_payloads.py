"""The bodies of the webhooks, held against the payload types of Linear's schema."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
)

from tests.integrations.standins.linear.conftest import Linear, Receiver
from tests.support.linear_schema import linear_schema

SCALARS = {"String": str, "ID": str, "DateTime": str, "Float": (int, float), "Boolean": bool, "JSONObject": dict}
WRITES = {
    "Issue create": 'mutation($team: String!) { issueCreate(input: { teamId: $team, title: "New" }) { success } }',
    "Issue update": 'mutation { issueUpdate(id: "ENG-1", input: { title: "b", description: "c" }) { success } }',
    "Issue remove": 'mutation { issueDelete(id: "ENG-2") { success } }',
    "Comment create": 'mutation { commentCreate(input: { issueId: "ENG-1", body: "x" }) { success } }',
    "Comment update": 'mutation($comment: String!) { commentUpdate(id: $comment, input: { body: "y" }) { success } }',
    "Comment remove": "mutation($comment: String!) { commentDelete(id: $comment) { success } }",
    "IssueLabel create": """mutation($team: String!) {
      issueLabelCreate(input: { name: "n", teamId: $team }) { success } }""",
    "Attachment create": """mutation { attachmentCreate(
      input: { issueId: "ENG-1", url: "https://example.com/1", title: "t", metadata: { a: 1 } }) { success } }""",
    "Attachment update": """mutation { attachmentCreate(
      input: { issueId: "ENG-1", url: "https://example.com/", title: "new" }) { success } }""",
    "Attachment remove": "mutation($attachment: String!) { attachmentDelete(id: $attachment) { success } }",
    "Reaction create": """mutation($comment: String!) { reactionCreate(input: { commentId: $comment, emoji: "eyes" }) {
      success } }""",
    "Reaction remove": "mutation($reaction: String!) { reactionDelete(id: $reaction) { success } }",
}


def mistakes(value: Any, wanted: Any, place: str, members: dict[str, str]) -> list[str]:
    """Where a value departs from a type; a missing key is null, `members` says which member of a union is meant."""
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
    return [] if isinstance(value, SCALARS[wanted.name]) else [f"{place} is not {wanted.name}"]


def given(linear: Linear) -> dict[str, str]:
    """What the writes refer to."""
    comment = linear.comment()
    attach = """mutation { attachmentCreate(input: { issueId: "ENG-1", url: "https://example.com/", title: "t" }) {
      attachment { id } } }"""
    react = """mutation($c: String!) { reactionCreate(input: { commentId: $c, emoji: "tada" }) { reaction { id } } }"""
    return {
        "team": linear.ask('{ team(id: "ENG") { id } }')["team"]["id"],
        "comment": comment,
        "attachment": linear.ask(attach)["attachmentCreate"]["attachment"]["id"],
        "reaction": linear.ask(react, {"c": comment})["reactionCreate"]["reaction"]["id"],
    }


@pytest.mark.parametrize("case", WRITES)
def test_a_body_fits_linears_types(subscribed: Linear, receiver: Receiver, case: str) -> None:
    names = {name: value for name, value in given(subscribed).items() if f"${name}" in WRITES[case]}
    receiver.take(3)
    subscribed.ask(WRITES[case], names)
    [body] = receiver.bodies()
    assert f"{body['type']} {body['action']}" == case
    members = {"DataWebhookPayload": f"{body['type']}WebhookPayload"}
    members["EntityActorWebhookPayload"] = "UserActorWebhookPayload"
    assert mistakes(body, linear_schema().type_map["EntityWebhookPayload"], "body", members) == []


def test_a_body_has_no_null_in_its_data(subscribed: Linear, receiver: Receiver) -> None:
    subscribed.move("ENG-1", title="b")
    [body] = receiver.bodies()
    assert None not in body["data"].values()


def test_only_an_issue_that_is_there_has_a_link(subscribed: Linear, receiver: Receiver) -> None:
    subscribed.comment("ENG-2")
    subscribed.move("ENG-2", title="b")
    subscribed.ask(WRITES["Issue remove"])
    assert [body.get("url") for body in receiver.bodies(3)] == [None, f"{subscribed.url}/acme/issue/ENG-2/b", None]
