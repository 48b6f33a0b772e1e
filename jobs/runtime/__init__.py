"""Redis plumbing and process life: keys, Lua scripts, leases, queues, slots, heartbeats, logging."""

from __future__ import annotations
