"""Linear's responses as values: permission, missing fields and null."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.errors import Rejected
from integrations.trackers.linear.responses import (
    AttachmentNode,
    CommentNode,
    Connection,
    IssueNode,
    NamedNode,
    UserNode,
    parse_response,
)
from integrations.values import Person

MEMBER = {"id": "u1", "name": "Ada", "email": "ada@example.com", "active": True, "app": False, "guest": False}
ISSUE = {"id": "t1", "identifier": "ENG-1", "title": "T", "state": {"name": "Agent"}, "team": {"key": "ENG"}}


def comment(**fields: Any) -> Person:
    return (
        parse_response(CommentNode, "Comment", {"comment": {"id": "c1", **fields}}, ["comment"]).to_comment("us").author
    )


@pytest.mark.parametrize(
    ("change", "permitted"),
    [
        ({}, True),
        ({"active": False}, False),
        ({"app": True}, False),
        ({"guest": True}, False),
        ({"active": None}, False),
        ({"app": None}, False),
        ({"guest": None}, False),
    ],
)
def test_linear_permission_needs_an_active_member_who_is_not_an_app(change: dict[str, Any], permitted: bool) -> None:
    assert comment(user=MEMBER | change).may_steer is permitted


@pytest.mark.parametrize("missing", ["active", "app", "guest"])
def test_linear_permission_is_absent_when_a_field_is_missing(missing: str) -> None:
    assert not UserNode.model_validate({k: v for k, v in MEMBER.items() if k != missing}).to_person("").may_steer


@pytest.mark.parametrize(
    ("fields", "author"),
    [
        ({"user": None, "botActor": {"id": "b1", "name": "Slack"}}, Person(id="b1", name="Slack", is_bot=True)),
        ({"externalUser": {"id": "x1", "name": "Bo"}, "botActor": {"id": "b1"}}, Person(id="x1", name="Bo")),
        ({"botActor": {"id": None, "name": "GitHub"}}, Person(id="", name="GitHub", is_bot=True)),
        ({}, Person(id="")),
    ],
)
def test_linear_permission_is_absent_for_authors_from_other_products(fields: dict[str, Any], author: Person) -> None:
    assert comment(**fields) == author


def test_linear_reaction_has_its_author_as_a_comment_has() -> None:
    reactions = [
        {"id": "e1", "emoji": "+1", "user": MEMBER},
        {"id": "e2", "emoji": "eyes", "externalUser": {"id": "x1", "name": "Bo"}},
    ]
    node = CommentNode.model_validate({"id": "c1", "reactions": reactions})
    ours, foreign = node.to_comment("us").reactions
    assert (ours.emoji, ours.author.id, ours.author.may_steer) == ("+1", "u1", True)
    assert (foreign.emoji, foreign.author) == ("eyes", Person(id="x1", name="Bo"))


@pytest.mark.parametrize(("our_id", "is_us"), [("u1", True), ("u2", False), ("", False)])
def test_linear_viewer_is_recognized_by_id(our_id: str, is_us: bool) -> None:
    assert UserNode.model_validate(MEMBER).to_person(our_id).is_us is is_us


@pytest.mark.parametrize(
    ("change", "trashed"),
    [
        ({}, False),
        ({"trashed": None}, False),
        ({"trashed": True}, True),
        ({"archivedAt": "2026-11-20T09:05:00Z"}, True),
    ],
)
def test_linear_ticket_that_is_trashed_or_archived_is_trashed(change: dict[str, Any], trashed: bool) -> None:
    assert IssueNode.model_validate(ISSUE | change).to_ticket().trashed is trashed


def test_linear_response_ignores_null_and_unknown_fields() -> None:
    issue = IssueNode.model_validate(ISSUE | {"description": None, "labels": None, "sharedAccess": {"new": 1}})
    assert (issue.to_ticket().description, issue.to_ticket().labels) == ("", ())


def test_linear_ticket_has_its_creator_and_marks_loopline_and_apps() -> None:
    def read_creator(user: object) -> Person | None:
        return IssueNode.model_validate(ISSUE | {"creator": user}).to_ticket().creator

    ana = {"id": "u1", "name": "Ana", "email": "ana@example.com", "app": False}
    creator = read_creator(ana | {"isMe": False})
    assert creator and (creator.email, creator.is_us, creator.is_bot) == ("ana@example.com", False, False)
    assert (us := read_creator(ana | {"isMe": True})) and us.is_us
    assert (app := read_creator(ana | {"app": True})) and app.is_bot
    assert read_creator(None) is read_creator({"name": "no id"}) is read_creator("Ana") is None


def test_linear_attachment_keeps_only_plain_metadata() -> None:
    metadata = {"head": "abc", "attempt": 2, "usd": 0.5, "open": True, "nested": {"a": 1}, "nothing": None}
    node = AttachmentNode.model_validate({"url": "https://x", "metadata": metadata})
    assert node.to_attachment().metadata == {"head": "abc", "attempt": 2, "usd": 0.5}


@pytest.mark.parametrize("data", [{}, {"issues": None}, {"issues": []}, {"issues": {"nodes": [{"id": 5}]}}])
def test_linear_response_of_another_shape_is_rejected_with_its_path(data: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="Linear's response to Teams is invalid at issues"):
        parse_response(Connection[NamedNode], "Teams", data, ["issues"])
