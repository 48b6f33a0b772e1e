"""Builds the world of a process from its settings. Called by `python -m jobs` and `python -m service check`.

What a role has no credentials for is left out, so a worker never holds the model key and an agent never a token.
"""

from __future__ import annotations

from pathlib import Path

from redis import Redis

from integrations.code_hosts.github.app import AppCredentials
from integrations.errors import Unauthorized
from integrations.ports.agent_runner import AgentRunner
from integrations.ports.code_host import CodeHost
from integrations.ports.tracker import Tracker
from integrations.registry import agent_runner, code_host, tracker
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from jobs.config.settings import Settings
from jobs.effects.world import World
from jobs.loop.caps import Caps
from jobs.workflow import ServicePolicy
from jobs.workflow.decision import TeamPolicy


def build(settings: Settings, redis: Redis) -> World:
    """Everything that these settings give access to."""
    board = tracker_of(settings)
    runner = runner_of(settings)
    sandbox = sandbox_of(settings) if runner else None
    return World(settings, redis, policy_of(settings), board, code_host_of(settings), runner, sandbox)


def tracker_of(settings: Settings) -> Tracker | None:
    """The board, when there are credentials for it."""
    key, token = settings.linear_api_key.get_secret_value(), settings.linear_access_token.get_secret_value()
    return tracker("linear", settings.linear_api_url, api_key=key, access_token=token) if key or token else None


def code_host_of(settings: Settings) -> CodeHost | None:
    """The code host, when there are credentials for it. Raises `Unauthorized` for a key file that cannot be read."""
    token = settings.github_token.get_secret_value()
    app = _app(settings)
    if not token and not app:
        return None
    return code_host(
        "github",
        settings.github_api_url,
        token="" if app else token,
        app=app,
        merge_method=settings.github_merge_method,
    )


def _app(settings: Settings) -> AppCredentials | None:
    if not settings.github_app_id:
        return None
    try:
        key = Path(settings.github_app_private_key_file).expanduser().read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise Unauthorized(f"GITHUB_APP_PRIVATE_KEY_FILE cannot be read: {type(error).__name__}") from error
    installation = settings.github_app_installation_id
    return AppCredentials(settings.github_app_id, key, int(installation) if installation else None)


def runner_of(settings: Settings) -> AgentRunner | None:
    """The model, when there is a key for it."""
    key = settings.anthropic_api_key.get_secret_value()
    return agent_runner("anthropic_api", key, settings.anthropic_base_url or None) if key else None


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
        models={
            "planner": settings.planner_model,
            "scout": settings.scout_model,
            "maker": settings.maker_model,
            "judge": settings.judge_model,
            "checker": settings.checker_model,
        },
        strong_model=settings.strong_model,
        approvers=tuple(address.lower() for address in settings.approvers),
    )


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
