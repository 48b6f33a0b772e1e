"""Checks key, endpoint and models with free requests. Called by `provider`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from integrations.agents.anthropic import context
from integrations.agents.anthropic.client import ModelClient
from integrations.errors import IntegrationError, Misconfigured, Unauthorized, Unavailable
from integrations.ports.agent_runner import ContextLimits

STRONG = "LOOPLINE_STRONG_MODEL"
_LIMITS = ContextLimits(clear_at_tokens=100_000, keep_tool_uses=6, clear_at_least_tokens=20_000)


def find_problems(api_key: str, base_url: str | None, models: Mapping[str, str], *, thorough: bool) -> list[str]:
    """Return one sentence per problem; `models` maps the names of settings to models. One request per model, and none
    after a problem that all of them share. `thorough`: paid, with one token, where the server has no free one."""
    found: list[str] = []
    try:
        opened = ModelClient(api_key, base_url)
    except Misconfigured as error:
        return [str(error)]
    with closing(opened) as client:
        for model in dict.fromkeys(models.values()):
            names = [name for name, chosen in models.items() if chosen == model]
            try:
                client.check_model(_build_request(model, is_strong=STRONG in names), thorough=thorough)
            except IntegrationError as error:
                if _concerns_all(error):
                    return [*found, str(error)]
                found.append(f"{', '.join(names)} ({model}): {error}")
    return found


def _concerns_all(error: IntegrationError) -> bool:
    """Whether it is about key, endpoint or network. A permission can be missing for one model only."""
    is_endpoint = isinstance(error, Misconfigured) and error.kind == "infrastructure"
    return isinstance(error, Unauthorized | Unavailable) or is_endpoint


def _build_request(model: str, *, is_strong: bool) -> dict[str, Any]:
    """The parameters of a run's call that a model can refuse."""
    request: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": "Hello"}],
        "context_management": context.build_edits(_LIMITS, ()),
        "betas": [context.BETA],
    }
    return request | ({"output_config": {"effort": "high"}} if is_strong else {})
