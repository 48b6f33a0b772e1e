"""A sender of webhooks: verify a delivery and translate it into events. Bytes and a number in, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from integrations.events import Event


@dataclass(frozen=True)
class Delivery:
    """A webhook delivery whose signature held.

    `delivery_id` is the sender's name for it; `content_key` is made from what it says, so that a second copy under
    another id is recognised. `stale` means signed, but too long ago to be trusted for more than a re-read.
    """

    source: str
    delivery_id: str
    content_key: str
    body: bytes
    event: str = ""
    stale: bool = False


class Source(Protocol):
    """Whoever sends webhooks. Pure: bytes and a number in, values out, no I/O, no credentials but the secrets."""

    name: str
    retries_on_503: bool  # False: the sender never sends again by itself, so the door must spool

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> Delivery:
        """Check signature and age. `headers` have lower-case names; a doubled header is joined with ','.

        `now` is Unix seconds. Raises `BadSignature` (401) or `Malformed` (named in the log, 200)."""

    def translate(self, delivery: Delivery) -> list[Event]:
        """What the delivery says happened, in our words; empty when it is known and ignored.

        Raises `Malformed` with the event's name when it is unknown or cannot be read."""
