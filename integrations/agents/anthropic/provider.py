"""Anthropic's Messages API as a provider: settings, default models, runner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from integrations.ports.agent_runner import AgentRunner
from integrations.ports.provider import ProviderSettings, RunnerProvider
from integrations.ports.setup import CredentialForm
from integrations.settings import Url, setting


class AnthropicSettings(ProviderSettings):
    """Endpoint and key."""

    api_key: SecretStr = setting("ANTHROPIC_API_KEY", "", seen_by=("agent",), usual=True)
    """API key for the model.
    Only the agent processes get it."""
    base_url: Url = setting("ANTHROPIC_BASE_URL", "")
    """URL of the model server; empty means Anthropic's.
    For a gateway or a stand-in."""

    def missing_credentials(self) -> Iterator[str]:
        """The key."""
        if not self.api_key.get_secret_value():
            yield "ANTHROPIC_API_KEY is empty; the agents have no model without it."


def _parse_credential(answer: str) -> Mapping[str, str]:
    if len(answer) < 8 or " " in answer:
        raise ValueError("it is no API key; one begins with sk-ant-")
    return {"ANTHROPIC_API_KEY": answer}


def _build(settings: AnthropicSettings) -> AgentRunner:
    from integrations.agents.anthropic.runner import AnthropicApi

    return AnthropicApi(settings.api_key.get_secret_value(), settings.base_url or None)


def _find_problems(settings: AnthropicSettings, models: Mapping[str, str], thorough: bool) -> list[str]:
    from integrations.agents.anthropic.check import find_problems

    return find_problems(settings.api_key.get_secret_value(), settings.base_url or None, models, thorough=thorough)


ANTHROPIC = RunnerProvider(
    name="anthropic",
    settings=AnthropicSettings,
    shares_prefix=True,  # the variables of Anthropic's own tools and SDK
    build=_build,
    find_problems=_find_problems,
    form=CredentialForm("Anthropic API key (sk-ant-…)", "console.anthropic.com, API keys", _parse_credential),
    models={
        "planner": "claude-sonnet-5-5",
        "scout": "claude-haiku-5-5",
        "maker": "claude-sonnet-5-5",
        "judge": "claude-haiku-5-5",
        "checker": "claude-opus-5-5",  # not the maker's model, which overlooks its own mistakes
        "answer": "claude-haiku-5-5",
        "triage": "claude-haiku-5-5",
        "matcher": "claude-haiku-5-5",
        "strong": "claude-fable-5-1",
    },
)
