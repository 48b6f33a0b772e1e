"""Decisions and work: `workflow` decides, `effects` acts, `roles` are the work of agents, `recovery` repairs."""

from __future__ import annotations
