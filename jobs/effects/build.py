"""Builds the world of a process from its settings. Called by `python -m jobs` and by the doctor.

Each role gets only the parts that it needs: a worker never holds the model key, an agent never a token.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

from redis import Redis

from integrations.ports.agent_runner import AgentRunner
from integrations.ports.code_host import CodeHost
from integrations.ports.provider import CodeHostProvider, Provider, RunnerProvider, S, T, TrackerProvider
from integrations.ports.tracker import Tracker
from integrations.registry import find_provider
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from integrations.sandbox.identity import choose_user
from integrations.token_store import share_tokens
from jobs.config.environment import Role
from jobs.config.field_types import Team
from jobs.config.settings import Settings
from jobs.effects.world import World
from jobs.loop.caps import Caps
from jobs.runtime.connection import connect
from jobs.runtime.disk import compute_command_room
from jobs.runtime.tokens import EncryptedTokens
from jobs.workflow import ServicePolicy
from jobs.workflow.decision import DatabaseAccess, Route, TeamPolicy


def build_world(settings: Settings, redis: Redis, role: Role = "up") -> World:
    """The parts that this role needs and that the settings have credentials for."""
    tracker, code_host = (
        (build_tracker(settings), build_code_host(settings)) if role in ("worker", "up") else (None, None)
    )
    runners = build_runners(settings) if role in ("agent", "up") else {}
    sandbox = build_sandbox(settings, partial(compute_command_room, settings, redis)) if runners else None
    policy, tested = build_policy(settings), role == "agent"
    return World(settings, redis, policy, tracker, code_host, runners, sandbox, tests_sandbox=tested)


def build_tracker(settings: Settings) -> Tracker | None:
    """The tracker, None without credentials. It shares its renewable tokens with all other processes."""
    share_tokens(EncryptedTokens(connect(settings), settings))
    return _build_provider(settings, find_provider(TrackerProvider, settings.tracker))


def build_code_host(settings: Settings) -> CodeHost | None:
    """The code host, None without credentials. Raises `Unauthorized` for an invalid key."""
    return _build_provider(settings, find_provider(CodeHostProvider, settings.code_host))


def build_runners(settings: Settings) -> dict[str, AgentRunner]:
    """The runners with credentials by name, the default one first."""
    built = {name: _build_provider(settings, find_provider(RunnerProvider, name)) for name in settings.runner_names()}
    return {name: runner for name, runner in built.items() if runner}


def find_model_problems(settings: Settings, *, thorough: bool) -> Iterator[str]:
    """Yield one sentence per problem with the key, endpoint or models of a runner; `thorough`: not by free requests
    alone."""
    policy = build_policy(settings)
    for name in settings.runner_names():
        provider = find_provider(RunnerProvider, name)
        own = settings.provider_settings(provider)
        if provider.find_problems and not any(own.missing_credentials()):
            models = policy.models if name == settings.runner else provider.models
            named = {f"LOOPLINE_{role.upper()}_MODEL": model for role, model in models.items()}
            yield from provider.find_problems(own, named, thorough)


def _build_provider(settings: Settings, provider: Provider[S, T]) -> T | None:
    own = settings.provider_settings(provider)
    return None if any(own.missing_credentials()) else provider.build(own)


def build_sandbox(settings: Settings, room: Callable[[], int] = lambda: sys.maxsize) -> Sandbox:
    """The sandbox for agents' files and commands, which can write `room()` bytes. Raises `SandboxUnavailable`."""
    choose_user(settings.sandbox_user)
    return Sandbox(find_bwrap(), (*default_read_only(), *settings.sandbox_read_only), room=room)


def _build_team(team: Team) -> TeamPolicy:
    rules = team.repositories.items()
    routes = tuple(Route(repository=name, labels=rule.labels, projects=rule.projects) for name, rule in rules)
    return TeamPolicy(repository=team.default_repository, columns=team.columns.roles(), routes=routes)


def build_policy(settings: Settings) -> ServicePolicy:
    """The operator's part of the rules. Models are those of the settings, else those of the default runner."""
    roles = ("planner", "scout", "maker", "judge", "checker", "answer", "triage", "matcher", "strong")
    chosen = {role: model for role in roles if (model := getattr(settings, f"{role}_model"))}
    teams = settings.teams.items()
    return ServicePolicy(
        teams={key: _build_team(team) for key, team in teams},
        max_iterations=settings.max_iterations,
        max_attempts=settings.max_attempts,
        review_limit=settings.review_limit,
        checks_quiet_seconds=settings.checks_quiet_seconds,
        review_quiet_seconds=settings.review_quiet_seconds,
        caps=Caps(
            run_usd=settings.max_cost_usd,
            ticket_usd=settings.max_ticket_cost_usd,
            day_usd=settings.max_day_cost_usd,
            turns=settings.max_turns,
            calls=max(settings.max_model_calls, 2 * settings.max_turns),
            wall_seconds=int(settings.max_run_minutes * 60),
            idle_seconds=settings.max_idle_seconds,
            no_progress_usd=settings.max_no_progress_usd,
        ),
        models={**find_provider(RunnerProvider, settings.runner).models, **chosen},
        runner_models={name: dict(find_provider(RunnerProvider, name).models) for name in settings.more_runners},
        databases=tuple(
            DatabaseAccess(name=name, repositories=one.repositories, roles=one.roles)
            for name, one in settings.databases.items()
        ),
        starters=tuple(address.lower() for address in settings.starters),
        approvers=tuple(address.lower() for address in settings.approvers),
        dashboard_url=settings.dashboard_url,
    )
