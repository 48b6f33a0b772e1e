"""Redis access and process supervision: keys, Lua scripts, leases, queues, slots, heartbeats, logging, failpoints."""

from __future__ import annotations
