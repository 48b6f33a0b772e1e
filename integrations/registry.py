"""Which providers there are, by name: where mypy checks that each fits its Protocol. Called by `jobs.effects.build`.

Each is imported when it is asked for, so that a process pays only for what its role uses. Senders of webhooks are in
`integrations.sources`.
"""

from __future__ import annotations

from typing import Any

from integrations.errors import Rejected
from integrations.ports.agent_runner import AgentRunner
from integrations.ports.code_host import CodeHost
from integrations.ports.tracker import Tracker


def tracker(name: str, *args: Any, **options: Any) -> Tracker:
    """A board, built with the provider's own arguments."""
    match name:
        case "linear":
            from integrations.trackers.linear.tracker import Linear

            return Linear(*args, **options)
    raise Rejected(f"there is no tracker {name!r}; there is linear")


def code_host(name: str, *args: Any, **options: Any) -> CodeHost:
    """A code host, built with the provider's own arguments."""
    match name:
        case "github":
            from integrations.code_hosts.github.code_host import GitHub

            return GitHub(*args, **options)
    raise Rejected(f"there is no code host {name!r}; there is github")


def agent_runner(name: str, *args: Any, **options: Any) -> AgentRunner:
    """A model at work, built with the provider's own arguments."""
    match name:
        case "anthropic_api":
            from integrations.agents.anthropic.runner import AnthropicApi

            return AnthropicApi(*args, **options)
    raise Rejected(f"there is no agent runner {name!r}; there is anthropic_api")
