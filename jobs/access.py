"""Loopline's access to boards and repositories: checked after the provider reports a change, and extended when an
operator connects a workspace; and the rights of a person on the board, on request. Jobs of the worker.

A team or repository that is lost stops only its own tickets; `/readyz` names each with the fix.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from pydantic import TypeAdapter

from integrations.errors import IntegrationError, Unauthorized, Unavailable
from integrations.ports.provider import TrackerProvider
from integrations.registry import find_provider
from jobs.effects.gather import find_repository
from jobs.effects.members import find_membership
from jobs.effects.world import World, current_world
from jobs.runtime import keys, notices, queues
from jobs.store.members import Membership, store_member

NOTICE_SECONDS = 86_400
RETRY_SECONDS = 300.0
RESULT_SECONDS = 600
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Grant:
    """An authorization that the provider has confirmed and that is not exchanged for tokens yet."""

    code: str
    redirect_uri: str
    verifier: str


GRANT = TypeAdapter(Grant)


def check_access() -> None:
    """RQ's entry: look for teams and repositories of LOOPLINE_TEAMS without access, and show them until they are back.
    Repeated while there are some."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.CHECK_ACCESS)
    found = list(_find_lost(world))
    if not found:
        notices.clear(world.redis, "access")
        return
    for sentence in found:
        _log.error("access lost", reason=sentence)
    notices.post(world.redis, "access", " ".join(found), NOTICE_SECONDS)
    queues.wake(world.redis, queues.CHECK_ACCESS, delay=RETRY_SECONDS)


def _find_lost(world: World) -> Iterator[str]:
    """One sentence for each team and repository without access; those that cannot be asked now count as present."""
    for key in world.policy.teams:
        try:
            world.tracker.check_columns(key, ())
        except Unavailable as error:
            _log.warning("access not checked, will retry", team=key, reason=str(error))
            queues.wake(world.redis, queues.CHECK_ACCESS, delay=RETRY_SECONDS)
        except IntegrationError as error:
            if isinstance(error, Unauthorized):
                notices.post_refused_credentials(world.redis, str(error), 3 * RETRY_SECONDS)
            yield f"Loopline cannot work for team {key}: {error}."
    for repository in sorted({name for team in world.policy.teams.values() for name in team.repositories}):
        try:
            find_repository(repository, world.code_host)
        except Unavailable as error:
            _log.warning("access not checked, will retry", repository=repository, reason=str(error))
        except IntegrationError as error:
            yield f"Loopline cannot work on {repository}: {str(error).rstrip('.')}."


def look_up_member(email: str) -> None:
    """RQ's entry: store the rights of the person with this address for a process that waits for them."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.LOOK_UP_MEMBER, email)
    try:
        store_member(world.redis, email, find_membership(email, world))
    except IntegrationError as error:
        _log.warning("member not looked up", reason=str(error))
        store_member(world.redis, email, Membership(problem=str(error)))


def connect_workspace(state: str) -> None:
    """RQ's entry: exchange the code of the authorization `state` for tokens, once, and leave the result for the
    dashboard."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.CONNECT, state)
    raw = world.redis.getdel(keys.authorization(state))
    provider = find_provider(TrackerProvider, world.settings.tracker)
    if not raw or provider.installation is None:
        return
    grant, own = GRANT.validate_json(raw), world.settings.provider_settings(provider)
    try:
        name = provider.installation.connect(own, grant.code, grant.redirect_uri, grant.verifier)
    except IntegrationError as error:
        _log.error("workspace not connected", reason=str(error))
        result = {"error": str(error)}
    else:
        _log.info("workspace connected", name=name)
        result = {"workspace": name}
        world.redis.delete(keys.REFUSED_CREDENTIALS)
        queues.wake(world.redis, queues.CHECK_ACCESS)
        queues.wake(world.redis, queues.SWEEP)
    world.redis.rpush(keys.authorization_result(state), json.dumps(result))
    world.redis.expire(keys.authorization_result(state), RESULT_SECONDS)
