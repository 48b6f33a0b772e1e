"""The web process: webhooks and health."""

from __future__ import annotations
