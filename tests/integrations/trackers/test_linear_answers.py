"""Linear's answers in our words: who may steer, and what is missing or null."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.errors import Rejected
from integrations.trackers.linear.answers import (
    AttachmentNode,
    CommentNode,
    Connection,
    IssueNode,
    Named,
    UserNode,
    read,
)
from integrations.values import Person

MEMBER = {"id": "u1", "name": "Ada", "email": "ada@example.com", "active": True, "app": False, "guest": False}
ISSUE = {"id": "t1", "identifier": "ENG-1", "title": "T", "state": {"name": "Agent"}, "team": {"key": "ENG"}}


def comment(**fields: Any) -> Person:
    return read(CommentNode, "Comment", {"comment": {"id": "c1", **fields}}, ["comment"]).comment("us").author


@pytest.mark.parametrize(
    ("change", "may"),
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
def test_only_an_active_member_who_is_no_app_may_steer(change: dict[str, Any], may: bool) -> None:
    assert comment(user=MEMBER | change).may_steer is may


@pytest.mark.parametrize("missing", ["active", "app", "guest"])
def test_a_right_that_is_not_told_is_absent(missing: str) -> None:
    assert not UserNode.model_validate({k: v for k, v in MEMBER.items() if k != missing}).person("").may_steer


@pytest.mark.parametrize(
    ("fields", "author"),
    [
        ({"user": None, "botActor": {"id": "b1", "name": "Slack"}}, Person(id="b1", name="Slack")),
        ({"externalUser": {"id": "x1", "name": "Bo"}, "botActor": {"id": "b1"}}, Person(id="x1", name="Bo")),
        ({"botActor": {"id": None, "name": "GitHub"}}, Person(id="", name="GitHub")),
        ({}, Person(id="")),
    ],
)
def test_words_from_another_product_come_from_nobody_who_may_steer(fields: dict[str, Any], author: Person) -> None:
    assert comment(**fields) == author


def test_a_reaction_is_its_persons_and_one_from_another_product_nobodys() -> None:
    reactions = [
        {"id": "e1", "emoji": "+1", "user": MEMBER},
        {"id": "e2", "emoji": "eyes", "externalUser": {"id": "x1", "name": "Bo"}},
    ]
    node = CommentNode.model_validate({"id": "c1", "reactions": reactions})
    ours, foreign = node.comment("us").reactions
    assert (ours.emoji, ours.author.id, ours.author.may_steer) == ("+1", "u1", True)
    assert (foreign.emoji, foreign.author) == ("eyes", Person(id="x1", name="Bo"))


@pytest.mark.parametrize(("our_id", "is_us"), [("u1", True), ("u2", False), ("", False)])
def test_we_are_recognised_by_our_id(our_id: str, is_us: bool) -> None:
    assert UserNode.model_validate(MEMBER).person(our_id).is_us is is_us


@pytest.mark.parametrize(
    ("change", "trashed"),
    [
        ({}, False),
        ({"trashed": None}, False),
        ({"trashed": True}, True),
        ({"archivedAt": "2026-11-20T09:05:00Z"}, True),
    ],
)
def test_a_trashed_or_archived_ticket_is_off_the_board(change: dict[str, Any], trashed: bool) -> None:
    assert IssueNode.model_validate(ISSUE | change).ticket().trashed is trashed


def test_null_and_unknown_fields_do_no_harm() -> None:
    issue = IssueNode.model_validate(ISSUE | {"description": None, "labels": None, "sharedAccess": {"new": 1}})
    assert (issue.ticket().description, issue.ticket().labels) == ("", ())


def test_only_plain_metadata_is_kept() -> None:
    metadata = {"head": "abc", "attempt": 2, "usd": 0.5, "open": True, "nested": {"a": 1}, "nothing": None}
    node = AttachmentNode.model_validate({"url": "https://x", "metadata": metadata})
    assert node.attachment().metadata == {"head": "abc", "attempt": 2, "usd": 0.5}


@pytest.mark.parametrize("data", [{}, {"issues": None}, {"issues": []}, {"issues": {"nodes": [{"id": 5}]}}])
def test_an_answer_of_another_shape_is_rejected_with_the_place(data: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="Linear's answer to Teams cannot be read at issues"):
        read(Connection[Named], "Teams", data, ["issues"])
