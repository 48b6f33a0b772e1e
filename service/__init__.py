"""Processes around the jobs: web process (webhooks, health), dashboard, operator commands, supervisor."""

from __future__ import annotations
