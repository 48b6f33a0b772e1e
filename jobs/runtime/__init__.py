"""Redis access and process supervision: keys, Lua scripts, leases, queues, slots, heartbeats, logging."""

from __future__ import annotations
