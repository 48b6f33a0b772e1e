"""The port of webhook senders: verify a delivery and translate it into events. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from integrations.events import Event


@dataclass(frozen=True)
class Delivery:
    """A webhook delivery with a valid signature.

    `delivery_id` is the sender's id; `content_key` is derived from the content, to detect a redelivery under another
    id. `stale` means that the signature is too old: the delivery only triggers a new read of the object.
    """

    source: str
    delivery_id: str
    content_key: str
    body: bytes
    event: str = ""
    stale: bool = False


class Source(Protocol):
    """A webhook sender. Pure: no I/O, no credentials except the signing secrets."""

    name: str
    retries_on_503: bool  # False: the sender does not retry, so the web process must spool

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> Delivery:
        """Check signature and age. `headers` have lower-case names; repeated headers are joined with ','.

        `now` is Unix seconds. Raises `BadSignature` (401), `UnsupportedContentType` (415) or `Malformed` (422).
        The last two name the fault and the setting or place to fix: the response contains the sentence."""

    def translate(self, delivery: Delivery) -> list[Event]:
        """The events of the delivery; empty for a known event that is ignored.

        Raises `Malformed` with the event's name when it is unknown or cannot be parsed."""
