"""A local Linear on the wire: GraphQL, signed webhooks and a board page. Started as its own process, never imported by
the product."""

from __future__ import annotations
