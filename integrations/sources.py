"""Who sends webhooks, by name. Imported by the door and by the dispatcher.

Apart from `integrations.registry`, so that the web process never imports an HTTP client or anything that knows a token.
"""

from __future__ import annotations

from collections.abc import Mapping

from integrations.code_hosts.github.webhooks import GitHubWebhooks
from integrations.ports.source import Source
from integrations.trackers.linear.webhooks import LinearWebhooks

SOURCES: Mapping[str, Source] = {"linear": LinearWebhooks(), "github": GitHubWebhooks()}
