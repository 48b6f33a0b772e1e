"""The events of each published payload of Linear's webhooks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integrations.trackers.linear_deliveries import TICKET, linear, verify

EXPECTED: dict[str, list[str]] = {
    "constructed_agentsession_created_delegation.json": [],
    "constructed_agentsession_prompted.json": [],
    "constructed_agentsession_prompted_stop.json": [],
    "constructed_appusernotification_issueAssignedToYou.json": [],
    "constructed_appusernotification_issueNewComment.json": [],
    "constructed_appusernotification_issueStatusChanged.json": [],
    "constructed_appusernotification_issueUnassignedFromYou.json": [],
    "constructed_attachment_create.json": [],
    "constructed_comment_create_by_app.json": ["TicketCommented"],
    "constructed_comment_create_reply.json": ["TicketCommented"],
    "constructed_comment_update.json": [],
    "constructed_issue_create.json": ["TicketMoved"],
    "constructed_issue_remove.json": ["TicketRemoved"],
    "constructed_issue_update_delegate.json": [],
    "constructed_issue_update_labels.json": [],
    "constructed_issue_update_state.json": ["TicketMoved"],
    "constructed_issuelabel_create.json": [],
    "constructed_issuesla_breached.json": [],
    "constructed_oauthapp_revoked.json": [],
    "constructed_oauthauthorization_revoked.json": [],
    "constructed_permissionchange.json": [],
    "constructed_reaction_create.json": ["TicketReacted"],
    "docs_comment_create.json": ["TicketCommented"],
    "real_issue_update_sla_2025.json": [],
    "real_issuelabel_update_2024.json": [],
    "real_issuesla_breached_2025.json": [],
}
NO_PAYLOADS = {"INDEX.json", "graphql_error_responses.json"}


@pytest.fixture
def payloads(shared_folder: Path) -> Path:
    return shared_folder / "linear" / "payloads"


def test_linear_payloads_are_all_covered(payloads: Path) -> None:
    assert {path.name for path in payloads.glob("*.json")} - NO_PAYLOADS == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_linear_payload_is_translated_or_ignored(payloads: Path, name: str) -> None:
    body = (payloads / name).read_bytes()
    delivery = verify(body, now=json.loads(body)["webhookTimestamp"] / 1000)
    assert not delivery.stale
    assert [event.kind for event in linear.translate(delivery)] == EXPECTED[name]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (
            "constructed_issue_update_state.json",
            f"Issue:{TICKET}:update:2026-11-20T09:05:00.000Z:sortOrder+startedAt+stateId+updatedAt",
        ),
        ("constructed_issue_create.json", f"Issue:{TICKET}:create:2026-11-20T09:00:00.000Z:-"),
        (
            "constructed_agentsession_created_delegation.json",
            "AgentSessionEvent:22222222-2222-4222-8222-0000000000a1:created",
        ),
        (
            "constructed_appusernotification_issueNewComment.json",
            "AppUserNotification:22222222-2222-4222-8222-0000000000b1",
        ),
        (
            "constructed_oauthapp_revoked.json",
            "OAuthApp:11111111-1111-4111-8111-000000000001:4d60803071bd7b18e5663f28000000aa:2026-11-20T09:05:00.000Z",
        ),
    ],
)
def test_linear_payload_content_key_names_object_and_change(payloads: Path, name: str, key: str) -> None:
    assert verify((payloads / name).read_bytes()).content_key == key
