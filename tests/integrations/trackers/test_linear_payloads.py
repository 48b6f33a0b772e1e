"""The events that each payload of Linear's webhooks becomes."""

from __future__ import annotations

import json

import pytest

from tests.integrations.trackers.linear_deliveries import TICKET, linear, verify
from tests.support.linear_payloads import FOLDER, payload

EXPECTED: dict[str, list[str]] = {
    "agentsession_created_delegation": ["TicketDelegated"],
    "agentsession_prompted": ["TicketCommented"],
    "agentsession_prompted_stop": ["TicketCommented"],
    "appusernotification_issueAssignedToYou": ["TicketDelegated"],
    "appusernotification_issueNewComment": [],
    "appusernotification_issueStatusChanged": ["TicketMoved"],
    "appusernotification_issueUnassignedFromYou": ["TicketUndelegated"],
    "attachment_create": [],
    "comment_create_by_app": ["TicketCommented"],
    "comment_create_reply": ["TicketCommented"],
    "comment_update": ["TicketCommented"],
    "issue_create": ["TicketMoved"],
    "issue_remove": ["TicketRemoved"],
    "issue_update_delegate": [],
    "issue_update_labels": ["TicketEdited"],
    "issue_update_state": ["TicketMoved"],
    "issuelabel_create": [],
    "issuesla_breached": [],
    "oauthapp_revoked": [],
    "oauthauthorization_revoked": [],
    "permissionchange": [],
    "reaction_create": ["TicketReacted"],
    "comment_create_abridged": ["TicketCommented"],
    "issue_update_without_actor": [],
    "issuelabel_update_group": [],
    "issuesla_breached_in_triage": [],
}


def test_linear_payloads_are_all_covered() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} - {"errors"} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_linear_payload_is_translated_or_ignored(name: str) -> None:
    body = payload(name)
    delivery = verify(body, now=json.loads(body)["webhookTimestamp"] / 1000)
    assert not delivery.stale
    assert [event.kind for event in linear.translate(delivery)] == EXPECTED[name]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (
            "issue_update_state",
            f"Issue:{TICKET}:update:2026-11-20T09:05:00.000Z:sortOrder+startedAt+stateId+updatedAt",
        ),
        ("issue_create", f"Issue:{TICKET}:create:2026-11-20T09:00:00.000Z:-"),
        (
            "agentsession_created_delegation",
            "AgentSessionEvent:22222222-2222-4222-8222-0000000000a1:created",
        ),
        (
            "appusernotification_issueNewComment",
            "AppUserNotification:22222222-2222-4222-8222-0000000000b1",
        ),
        (
            "oauthapp_revoked",
            "OAuthApp:11111111-1111-4111-8111-000000000001:4d60803071bd7b18e5663f28000000aa:2026-11-20T09:05:00.000Z",
        ),
    ],
)
def test_linear_payload_content_key_names_object_and_change(name: str, key: str) -> None:
    assert verify(payload(name)).content_key == key
