"""GitHub's webhooks: verification of the signature, and detection of the event.

Called by the web process (`verify`) and the dispatcher (`translate`) through `Source`. Pure: no network, no clock, no
import of the HTTP client or token code, so the web process needs only a secret. GitHub signs no timestamp and does not
retry. Its headers are unsigned: the event is detected from the body, and `X-GitHub-Event` must match.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from integrations.code_hosts.github.events import TRANSLATORS
from integrations.code_hosts.github.payloads import describe_error
from integrations.errors import BadSignature, Malformed
from integrations.events import Event
from integrations.ports.signed_body import check_content_type, parse_object
from integrations.ports.source import Delivery

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")
_CONTENT_TYPE_ADVICE = "set the content type of the webhook to application/json in its settings at GitHub"
_WITHOUT_ACTION = ("push", "status")
_EVENT = re.compile(r"\w{1,80}", re.ASCII)
_GUID = re.compile(r"[0-9A-Za-z-]{1,64}")


class GitHubWebhooks:
    """`Source` for GitHub."""

    name = "github"
    retries_on_503 = False

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> Delivery:
        """Check that there is exactly one valid HMAC-SHA256 signature by one of `secrets`.

        `now` is unused: GitHub signs no timestamp. Raises `BadSignature`, `UnsupportedContentType` (a webhook set to
        form encoding) or `Malformed`.
        Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries"""
        if not _has_valid_signature(headers.get("x-hub-signature-256", ""), body, secrets):
            raise BadSignature("GitHub delivery: X-Hub-Signature-256 is missing, doubled or made with another secret")
        check_content_type(headers.get("content-type", ""), "GitHub", _CONTENT_TYPE_ADVICE)
        event = headers.get("x-github-event", "")
        _check_fields(event, parse_object(body, "GitHub"))
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        guid = headers.get("x-github-delivery", "")
        return Delivery(
            source=self.name,
            delivery_id=guid if _GUID.fullmatch(guid) else digest,
            content_key=digest,
            body=body,
            event=event,
        )

    def translate(self, delivery: Delivery) -> list[Event]:
        """The events; empty for a known event without effect on a loop. Raises `Malformed`."""
        where = f"GitHub delivery {delivery.delivery_id}, event {delivery.event[:60]!r}"
        translator = TRANSLATORS.get(delivery.event)
        if translator is None and delivery.event not in IGNORED:
            raise Malformed(f"{where}: not a known event")
        try:
            body = parse_object(delivery.body, "GitHub")
            kind = _detect_event(body)
            if kind != (delivery.event if translator else ""):
                raise Malformed(f"{where}: the signed body is {kind or 'something else'}")
            return translator(body, f"github:{delivery.content_key}") if translator else []  # the GUID is not signed
        except ValidationError as error:
            raise Malformed(f"{where}: {describe_error(error)}") from None


def _has_valid_signature(header: str, body: bytes, secrets: Sequence[str]) -> bool:
    """Whether one of the secrets made the signature. Empty secrets are skipped; all are tried, in constant time."""
    given = _SIGNATURE.fullmatch(header)
    if given is None:
        return False
    digest = bytes.fromhex(given[1])
    expected = [hmac.digest(secret.encode(), body, "sha256") for secret in secrets if secret]
    return sum(hmac.compare_digest(digest, one) for one in expected) > 0


def _check_fields(event: str, body: Mapping[str, Any]) -> None:
    if not _EVENT.fullmatch(event):
        raise Malformed("GitHub's delivery has no valid X-GitHub-Event header; check the proxy in front of Loopline")
    if event in TRANSLATORS and event not in _WITHOUT_ACTION and not isinstance(body.get("action"), str):
        raise Malformed(f"GitHub's body of a {event} event has no `action`; check the webhook's address")


def _detect_event(body: Mapping[str, Any]) -> str:
    """The supported event of this body, by its keys; empty for all others."""
    return next((kind for kind, keys in _KEYS.items() if keys <= body.keys() and "deployment" not in body), "")


# The keys that distinguish the bodies, most specific first. Deployment events also have a `check_run`.
_KEYS: Mapping[str, frozenset[str]] = {
    "pull_request_review": frozenset({"pull_request", "review"}),
    "pull_request_review_comment": frozenset({"pull_request", "comment"}),
    "pull_request": frozenset({"pull_request", "number"}),
    "issue_comment": frozenset({"issue", "comment"}),
    "push": frozenset({"ref", "before", "after", "pusher"}),
    "status": frozenset({"sha", "state", "context"}),
    "check_run": frozenset({"check_run", "action"}),
    "check_suite": frozenset({"check_suite", "action"}),
    "workflow_run": frozenset({"workflow_run", "workflow"}),
    "merge_group": frozenset({"merge_group", "action"}),
}

# All other events of @octokit/openapi-webhooks 12.1.0 and @octokit/webhooks-examples 7.6.1.
_OTHERS = """
    branch_protection_configuration branch_protection_rule code_scanning_alert commit_comment create custom_property
    custom_property_values delete dependabot_alert deploy_key deployment deployment_protection_rule deployment_review
    deployment_status discussion discussion_comment fork github_app_authorization gollum installation
    installation_repositories installation_target issue_dependencies issues label marketplace_purchase member membership
    meta milestone org_block organization package page_build personal_access_token_request ping project
    project_card project_column projects_v2 projects_v2_item projects_v2_status_update public pull_request_review_thread
    registry_package release repository repository_advisory repository_dispatch repository_import repository_ruleset
    repository_vulnerability_alert secret_scanning_alert secret_scanning_alert_location secret_scanning_scan
    security_advisory security_and_analysis sponsorship star sub_issues team team_add watch workflow_dispatch
    workflow_job
"""
IGNORED = frozenset(_OTHERS.split())
