"""Ids that Loopline derives, so that a retry creates nothing again. Pure."""

from __future__ import annotations

import hashlib
import uuid

from integrations.values import TicketId


def derive_id(*parts: str) -> str:
    """An idempotent id in the form of a version 4 UUID, which Linear requires."""
    return str(uuid.UUID(bytes=hashlib.sha256("/".join(parts).encode()).digest()[:16], version=4))


def finding_ticket_id(repository: str, fingerprint: str, reopened: int) -> TicketId:
    """Of the ticket of a finding, which was filed `reopened` times before."""
    return TicketId(derive_id("finding", repository.lower(), fingerprint, str(reopened)))


def memory_name(repository: str) -> str:
    """The name for `find_own_ticket` of the ticket that has the memory of a repository's automations."""
    return f"memory/{repository.lower()}"
