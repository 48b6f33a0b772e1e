"""From accepted deliveries to ticket mailboxes, and the journal of raw deliveries."""

from __future__ import annotations
