"""Linear's webhooks: signatures, translation into events, and detection of redeliveries."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import Any

import pytest

from integrations.errors import BadSignature, Malformed
from integrations.events import TicketCommented, TicketEdited, TicketMoved, TicketReacted
from integrations.values import Person
from tests.integrations.trackers.linear_deliveries import (
    DELIVERY_ID,
    NOW,
    SECRET,
    TICKET,
    comment,
    events,
    issue,
    kinds,
    linear,
    reaction,
    sign,
    verify,
)

# --- signatures -----------------------------------------------------------------------------------------------------


def test_linear_webhook_test_vector_is_accepted_and_stale() -> None:
    body = (
        b'{"action":"create","type":"Issue","data":{"id":"2174add1-f7c8-44e3-bbf3-2d60b5ea8bc9","identifier":"ENG-1",'
        b'"title":"Hello"},"organizationId":"org-1","webhookTimestamp":1767225600000,'
        b'"webhookId":"00000000-0000-4000-8000-000000000001"}'
    )
    signature = "a8bb9aacc01b8c01e4e7419cbb8090f31ce82f954761e49965ddf29ec62aea11"
    assert linear.verify({"linear-signature": signature}, body, [SECRET], NOW).stale


@pytest.mark.parametrize(
    "signature",
    [
        "",
        sign(issue()).upper(),
        "sha256=" + sign(issue()),
        sign(issue()) + " ",
        sign(issue())[:-1],
        sign(issue(), "another secret"),
        sign(issue(), ""),
        sign(issue() + b"\n"),
        sign(issue()) + "," + sign(issue()),
        "é" * 64,
        "\ud800",
    ],
)
def test_linear_webhook_with_a_wrong_or_doubled_signature_is_rejected(signature: str) -> None:
    with pytest.raises(BadSignature):
        linear.verify({"linear-signature": signature}, issue(), [SECRET, ""], NOW)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "no Linear-Signature"),
        ({"linear-signature": sign(issue()) + "," + sign(issue())}, "more than one Linear-Signature"),
        ({"linear-signature": sign(b"")}, "matches none of the secrets in LINEAR_WEBHOOK_SECRETS"),
    ],
)
def test_linear_webhook_signature_error_names_the_reason(headers: dict[str, str], reason: str) -> None:
    with pytest.raises(BadSignature, match=reason):
        linear.verify(headers, issue(), [SECRET], NOW)


@pytest.mark.parametrize("secrets", [[], [""]])
def test_linear_webhook_is_rejected_without_a_secret(secrets: list[str]) -> None:
    with pytest.raises(BadSignature):
        linear.verify({"linear-signature": sign(issue(), "")}, issue(), secrets, NOW)


@pytest.mark.parametrize("secrets", [[SECRET, "old"], ["new", SECRET], ["日本語", SECRET]])
def test_linear_webhook_is_accepted_with_any_of_several_secrets(secrets: list[str]) -> None:
    assert linear.verify({"linear-signature": sign(issue())}, issue(), secrets, NOW).source == "linear"


@pytest.mark.parametrize("timestamp", [None, "1795165500000", True, [NOW], {}])
def test_linear_webhook_without_a_numeric_timestamp_is_rejected(timestamp: object) -> None:
    body = json.dumps({"type": "Issue", "action": "create", "webhookTimestamp": timestamp}).encode()
    with pytest.raises(Malformed, match="webhookTimestamp"):
        verify(body, headers={"linear-timestamp": str(int(NOW * 1000))})


@pytest.mark.parametrize(("age", "stale"), [(0, False), (60, False), (-60, False), (60.1, True), (-60.1, True)])
def test_linear_webhook_is_stale_after_a_minute_either_way(age: float, stale: bool) -> None:
    assert verify(issue(), NOW + age).stale is stale


# --- malformed bodies -----------------------------------------------------------------------------------------------

SIGNED = b'{"type":"Issue","action":"create","webhookTimestamp":1795165500000,"data":%s}'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        ("{}".encode("utf-16-be"), "not JSON"),
        (b"[]", "JSON list, not an object"),
        (b"null", "JSON NoneType, not an object"),
        (SIGNED % b"NaN", "number that is out of range"),
        (SIGNED % b"-1e999", "number that is out of range"),
        (SIGNED % (b"9" * 5000), "number that is out of range"),
        (SIGNED % (b"[" * 100_000), "nested too deeply"),
        (SIGNED % rb'"\ud800"', "lone surrogate"),
        (SIGNED % b"[]", "'data' in Linear's body is a list"),
        (b'{"action":"create","webhookTimestamp":1}', "'type' in Linear's body is missing"),
        (b'{"type":5,"action":"create","webhookTimestamp":1}', "'type' in Linear's body is missing or not text"),
        (b'{"type":"Issue","webhookTimestamp":1}', "'action' in Linear's body is missing"),
        (b'{"type":"Issue","action":"create","webhookTimestamp":-1}', "webhookTimestamp is out of range"),
        (b'{"type":"Issue","action":"create","webhookTimestamp":1%s}' % (b"0" * 400), "number that is out of range"),
    ],
)
def test_linear_webhook_with_an_unreadable_body_is_malformed(body: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        verify(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (issue().replace(b'"Issue"', b'"Galaxy"'), "unknown Linear event 'Galaxy'"),
        (issue("explode"), "unknown Linear event 'Issue.explode'"),
        (comment("explode"), "unknown Linear event 'Comment.explode'"),
        (issue("create", id=None), "'id' in Linear's body is missing"),
        (issue("create", state="Agent"), "'state' in Linear's body is a str"),
        (comment(body=5), "'body' in Linear's body is missing or not text"),
        (comment(id=""), "'id' in Linear's body is missing"),
        (comment(issueId=7), "'issueId' in Linear's body is missing or not text"),
        (reaction("explode"), "unknown Linear event 'Reaction.explode'"),
        (reaction(emoji=None), "'emoji' in Linear's body is missing or not text"),
        (reaction(comment=[]), "'comment' in Linear's body is a list"),
    ],
)
def test_linear_webhook_that_cannot_be_translated_is_malformed(body: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        events(body)


# --- redeliveries ---------------------------------------------------------------------------------------------------


def test_linear_webhook_uses_linears_delivery_id() -> None:
    assert verify(issue(), headers={"linear-delivery": DELIVERY_ID}).delivery_id == DELIVERY_ID.lower()


@pytest.mark.parametrize("header", ["", "x", f"{DELIVERY_ID},{DELIVERY_ID}", f"{{{DELIVERY_ID}}}", DELIVERY_ID + "\n"])
def test_linear_webhook_without_a_uuid_uses_a_digest_of_the_body(header: str) -> None:
    assert verify(issue(), headers={"linear-delivery": header}).delivery_id == hashlib.sha256(issue()).hexdigest()


@pytest.mark.parametrize("data", [{}, {"id": ""}, {"id": None}, {"id": "x" * 201}])
def test_linear_webhook_retry_has_the_same_content_key(data: dict[str, Any]) -> None:
    later = json.loads(issue(changed=("stateId",), **data)) | {"webhookTimestamp": NOW * 1000 + 5}
    first, second = verify(issue(changed=("stateId",), **data)), verify(json.dumps(later).encode())
    assert first.content_key == second.content_key
    assert first.body != second.body


def test_linear_webhook_content_key_is_short() -> None:
    assert len(verify(issue(id="x" * 10_000, changed=("y" * 10_000,))).content_key) < 100


def test_linear_webhook_of_archiving_has_its_own_content_key() -> None:
    moved = verify(issue(changed=("stateId", "updatedAt")))
    archived = verify(issue(changed=("archivedAt",), archivedAt="2026-11-20T09:06:00Z"))
    assert moved.content_key != archived.content_key


# --- translation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (issue("create"), ["TicketMoved"]),
        (issue(changed=("updatedAt", "stateId")), ["TicketMoved"]),
        (issue(changed=("updatedAt", "title")), ["TicketEdited"]),
        (issue(changed=("updatedAt", "descriptionData")), ["TicketEdited"]),
        (issue(changed=("stateId", "description")), ["TicketMoved", "TicketEdited"]),
        (issue(changed=("updatedAt", "sortOrder")), []),
        (issue(changed=("updatedAt", "labelIds", "assigneeId", "priority")), ["TicketEdited"]),
        (issue(changed=("updatedAt", "assigneeId")), []),
        (issue(changed=("updatedAt", "teamId")), ["TicketMoved"]),
        (issue(), []),
        (issue("remove"), ["TicketRemoved"]),
        (issue(changed=("trashed",), trashed=True), ["TicketRemoved"]),
        (issue(changed=("stateId", "archivedAt"), archivedAt="2026-11-20T09:06:00Z"), ["TicketRemoved"]),
        (issue(changed=("trashed",), trashed=None), ["TicketMoved"]),
        (comment(), ["TicketCommented"]),
        (comment("update"), []),
        (comment("update", ("updatedAt", "reactionData")), []),
        (comment("update", ("updatedAt", "resolvedAt", "resolvingUserId")), []),
        (comment("update", ("updatedAt", "editedAt", "body")), ["TicketCommented"]),
        (comment("update", ("body",), issueId=None, documentContentId="d"), []),
        (comment("remove"), ["TicketCommentRemoved"]),
        (comment("remove", issueId=None, projectUpdateId="p"), []),
        (comment(issueId=None, projectUpdateId="p"), []),
        (reaction(), ["TicketReacted"]),
        (reaction("remove"), []),
        (reaction(commentId=None, comment=None, issueId=TICKET), []),
        (reaction(comment={"id": "c1", "issueId": None}), []),
    ],
)
def test_linear_webhook_is_translated_into_events(body: bytes, expected: list[str]) -> None:
    assert kinds(body) == expected


def test_linear_webhook_move_has_ticket_column_and_time() -> None:
    [moved] = events(issue(changed=("stateId",)))
    assert isinstance(moved, TicketMoved)
    assert (moved.ticket_id, moved.column, moved.at) == (TICKET, "Agent", 1_795_165_500.0)


ACTORS = [
    ({"id": "u1", "name": "Ana", "type": "user"}, Person(id="u1", name="Ana")),
    ({"id": "u1", "name": "Ana"}, Person(id="u1", name="Ana")),
    ({"id": "i1", "service": "github", "type": "integration"}, Person(id="i1", name="github", is_bot=True)),
    ({"id": "o1", "name": "Zap", "type": "OauthClient"}, Person(id="o1", name="Zap", is_bot=True)),
    (None, Person(id="", is_bot=True)),
]


@pytest.mark.parametrize(("actor", "author"), ACTORS)
def test_linear_webhook_move_has_its_author_without_permission(actor: dict[str, str] | None, author: Person) -> None:
    payload = json.loads(issue(changed=("stateId", "priority"))) | {"actor": actor}
    moved, edited = events(json.dumps(payload).encode())

    assert isinstance(moved, TicketMoved) and isinstance(edited, TicketEdited)
    assert (moved.by, edited.by, edited.order_only) == (author, author, True)


def test_linear_webhook_events_have_distinct_stable_ids() -> None:
    body = issue(changed=("stateId", "title"))
    ids = [event.event_id for event in events(body)]
    assert len(set(ids)) == 2
    assert ids == [event.event_id for event in events(body)]


def test_linear_webhook_edit_is_an_event_of_its_own() -> None:
    [event] = events(comment("update", ("body",), parentId="root"))
    [again] = events(comment("update", ("body",), parentId="root"))
    [later] = events(comment("update", ("body",), updatedAt="2026-11-20T09:06:00Z"))

    assert isinstance(event, TicketCommented)
    assert (event.comment_id, event.edited, event.parent_id) == ("c1", True, "root")
    assert event.event_id == again.event_id != later.event_id
    assert event.event_id != "comment:c1"


def test_linear_webhook_comment_has_an_author_without_permission() -> None:
    [event] = events(comment())
    assert isinstance(event, TicketCommented)
    assert event.author is not None
    assert (event.comment_id, event.body, event.author.id, event.author.may_steer) == ("c1", "/stop", "u1", False)


@pytest.mark.parametrize(("data", "author"), [({"externalUserId": "x1"}, "x1"), ({}, None), ({"botActor": {}}, None)])
def test_linear_webhook_comment_without_a_user_has_the_external_author(
    data: dict[str, Any], author: str | None
) -> None:
    [event] = events(comment(userId=None, **data))
    assert isinstance(event, TicketCommented)
    assert (event.author and event.author.id) == author


def test_linear_webhook_stale_comment_keeps_its_id_and_loses_its_text() -> None:
    [event] = events(comment(), NOW + 3600)
    assert isinstance(event, TicketCommented)
    assert (event.comment_id, event.body) == ("c1", "")


def test_linear_webhook_reaction_has_comment_ticket_and_author() -> None:
    [event] = events(reaction())
    assert isinstance(event, TicketReacted)
    assert (event.ticket_id, event.comment_id, event.emoji, event.event_id) == (TICKET, "c1", "+1", "reaction:e1")
    assert event.author is not None
    assert (event.author.id, event.author.may_steer) == ("u1", False)


@pytest.mark.parametrize("updated_at", [None, "yesterday", 5, "2026-13-40"])
def test_linear_webhook_with_an_invalid_time_has_time_zero(updated_at: object) -> None:
    assert [event.at for event in events(issue("create", updatedAt=updated_at))] == [0.0]


def test_linear_webhook_module_imports_no_http_client() -> None:
    script = "import sys, integrations.trackers.linear.webhooks as _; print({'gql', 'requests'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
