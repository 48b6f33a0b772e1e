"""Jot's webhooks: {"id", "event", "ticket", "comment", "at"}, signed with HMAC-SHA256 in `Jot-Signature`."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence

from integrations.errors import BadSignature, Malformed
from integrations.events import Event, TicketCommented, TicketMoved
from integrations.ports.source import Delivery


class JotWebhooks:
    """`Source` for Jot."""

    name = "jot"
    retries_on_503 = False

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> Delivery:
        given = headers.get("jot-signature", "").encode(errors="replace")
        if not any(hmac.compare_digest(given, signature(body, secret).encode()) for secret in secrets):
            raise BadSignature("Jot-Signature fits none of the secrets in JOT_WEBHOOK_SECRETS")
        try:
            payload = json.loads(body)
            return Delivery(self.name, payload["id"], hashlib.sha256(body).hexdigest(), body, payload["event"])
        except (ValueError, KeyError, TypeError) as error:
            raise Malformed("the payload is not Jot's") from error

    def translate(self, delivery: Delivery) -> list[Event]:
        payload = json.loads(delivery.body)
        event_id, ticket, at = f"jot:{delivery.delivery_id}", payload["ticket"], payload["at"]
        match delivery.event:
            case "moved":
                return [TicketMoved(event_id=event_id, ticket_id=ticket, at=at)]
            case "commented":
                comment = payload["comment"]
                return [TicketCommented(event_id=event_id, ticket_id=ticket, at=at, comment_id=comment)]
        raise Malformed(f"Jot has no event {delivery.event!r}")


def signature(body: bytes, secret: str) -> str:
    """The value of `Jot-Signature`."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
