"""Builds the world of a process from its settings. Called by `python -m jobs` and `python -m service check`.

What a role has no credentials for is left out, so a worker never holds the model key and an agent never a token.
"""

from __future__ import annotations

from redis import Redis

from integrations.ports.agent_runner import AgentRunner
from integrations.ports.code_host import CodeHost
from integrations.ports.provider import CodeHostProvider, Provider, RunnerProvider, S, T, TrackerProvider
from integrations.ports.tracker import Tracker
from integrations.registry import find_provider
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from jobs.config.environment import Role
from jobs.config.settings import Settings
from jobs.effects.world import World
from jobs.loop.caps import Caps
from jobs.workflow import ServicePolicy
from jobs.workflow.decision import TeamPolicy


def build(settings: Settings, redis: Redis, role: Role = "up") -> World:
    """Everything that a process of this role works with and that the settings have credentials for."""
    tracker, code_host = (tracker_of(settings), code_host_of(settings)) if role in ("worker", "up") else (None, None)
    runners = runners_of(settings) if role in ("agent", "up") else {}
    sandbox = sandbox_of(settings) if runners else None
    return World(settings, redis, policy_of(settings), tracker, code_host, runners, sandbox)


def tracker_of(settings: Settings) -> Tracker | None:
    """The tracker, when there are credentials for it."""
    return _built(settings, find_provider(TrackerProvider, settings.tracker))


def code_host_of(settings: Settings) -> CodeHost | None:
    """The code host, when there are credentials for it. Raises `Unauthorized` for a key that cannot be read."""
    return _built(settings, find_provider(CodeHostProvider, settings.code_host))


def runners_of(settings: Settings) -> dict[str, AgentRunner]:
    """The runners that there are credentials for, by name, the default one first."""
    built = {name: _built(settings, find_provider(RunnerProvider, name)) for name in settings.runner_names()}
    return {name: runner for name, runner in built.items() if runner}


def _built(settings: Settings, provider: Provider[S, T]) -> T | None:
    own = settings.provider_settings(provider)
    return None if any(own.missing_credentials()) else provider.build(own)


def sandbox_of(settings: Settings) -> Sandbox:
    """Where agents' files are touched. Raises `SandboxUnavailable`."""
    return Sandbox(find_bwrap(), (*default_read_only(), *settings.sandbox_read_only))


def policy_of(settings: Settings) -> ServicePolicy:
    """The operator's part of the rules."""
    return ServicePolicy(
        teams={
            key: TeamPolicy(repository=team.repository, columns=team.columns.roles())
            for key, team in settings.teams.items()
        },
        max_iterations=settings.max_iterations,
        max_attempts=settings.max_attempts,
        caps=caps_of(settings),
        models=models_of(settings),
        runner_models={name: dict(find_provider(RunnerProvider, name).models) for name in settings.more_runners},
        approvers=tuple(address.lower() for address in settings.approvers),
    )


def models_of(settings: Settings) -> dict[str, str]:
    """The model of each role, and `strong`: the operator's choice, else the default runner's."""
    chosen = {
        "planner": settings.planner_model,
        "scout": settings.scout_model,
        "maker": settings.maker_model,
        "judge": settings.judge_model,
        "checker": settings.checker_model,
        "strong": settings.strong_model,
    }
    return {
        **find_provider(RunnerProvider, settings.runner).models,
        **{role: model for role, model in chosen.items() if model},
    }


def caps_of(settings: Settings) -> Caps:
    """The operator's upper bounds."""
    return Caps(
        run_usd=settings.max_cost_usd,
        ticket_usd=settings.max_ticket_cost_usd,
        day_usd=settings.max_day_cost_usd,
        turns=settings.max_turns,
        wall_seconds=int(settings.max_run_minutes * 60),
        idle_seconds=settings.max_idle_seconds,
        no_progress_usd=settings.max_no_progress_usd,
    )
