"""Who sends webhooks, by name. Imported by the door and by the dispatcher.

Apart from `integrations.registry`, so that the web process never imports an HTTP client or anything that knows a token.
"""

from __future__ import annotations

from collections.abc import Mapping

from integrations.base import Source
from integrations.code_hosts.github_webhooks import GitHubWebhooks
from integrations.trackers.linear_webhooks import LinearWebhooks

SOURCES: Mapping[str, Source] = {"linear": LinearWebhooks(), "github": GitHubWebhooks()}
