"""Redis plumbing and process life: keys, Lua scripts, leases, queues, slots, heartbeats, logging, failpoints."""

from __future__ import annotations
