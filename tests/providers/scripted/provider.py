"""Both runners as providers. Installed by their entry points."""

from __future__ import annotations

from integrations.ports.agent_runner import AgentRunner
from integrations.ports.provider import ProviderSettings, RunnerProvider


class NoSettings(ProviderSettings):
    """No settings."""


def _scripted(settings: NoSettings) -> AgentRunner:
    from .runner import Scripted

    return Scripted()


def _shell(settings: NoSettings) -> AgentRunner:
    from .runner import Shell

    return Shell()


SCRIPTED = RunnerProvider(name="scripted", settings=NoSettings, build=_scripted, models={"maker": "script-1"})
SHELL = RunnerProvider(name="shell", settings=NoSettings, build=_shell, models={"maker": "shell-1"})
