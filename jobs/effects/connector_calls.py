"""Performs a call of a tool of an MCP server for a run. Called by the connectors process, which alone has the tokens.

The permission is checked here again, by the policy of the run and the operator's file: an agent process is not trusted
with it. A server that fails costs an answer, never the run.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from integrations.connectors.client import Connectors, ToolChanged
from integrations.errors import IntegrationError, Rejected, Unavailable
from integrations.failpoints import fail
from integrations.outward import check_outward
from jobs.effects.world import World
from jobs.loop.commands import RunSpec
from jobs.loop.connector_policy import find_access
from jobs.runtime import keys, queues
from jobs.runtime.requests import CONTINUE, KEPT_SECONDS, UNCERTAIN, Answer, Request, Requests
from jobs.store.connector_permissions import has_permission
from jobs.store.connectors import ConnectorStore
from jobs.store.ledger import charge_request

KIND = "connector"
INTERRUPTED = "The connectors process ended during this call, which can have had its effect: look before you repeat it."
_log = structlog.get_logger(__name__)


class ConnectorCall(BaseModel):
    """The arguments of a request of the kind `connector`."""

    server: str
    tool: str
    arguments: dict[str, Any] = {}


@dataclass(frozen=True)
class ConnectorDesk:
    """The performer of the connectors process."""

    connectors: Connectors

    def perform(self, request: Request, spec: RunSpec, world: World) -> Answer:
        """The tool's answer, or the reason why there is none."""
        try:
            call = ConnectorCall.model_validate(request.arguments)
        except ValidationError:
            return Answer(text="The request is not a call of a connector.", is_error=True)
        began = time.monotonic()
        answer, outcome = self._answer(call, request, spec, world)
        seconds = time.monotonic() - began
        server = self.connectors.servers.get(call.server)
        world.audit.record(
            kind="connector", ticket=spec.ticket.identifier, run_id=spec.run_id, role=spec.role, server=call.server,
            tool=call.tool, arguments=_digest(call.arguments), result=outcome, seconds=round(seconds, 3),
            usd=server.usd_per_call if server and outcome not in ("refused", "interrupted") else 0.0, actor="loopline",
        )  # fmt: skip
        _log.info("connector called", server=call.server, tool=call.tool, result=outcome, seconds=round(seconds, 3))
        return answer

    def _answer(self, call: ConnectorCall, request: Request, spec: RunSpec, world: World) -> tuple[Answer, str]:
        server = self.connectors.servers.get(call.server)
        known = ConnectorStore(world.redis).read_all().get(call.server)
        tool = next((one for one in known.pinned if one.name == call.tool), None) if known else None
        if server is None and known:
            return _refuse(
                f"The connector {call.server} is not in the file of LOOPLINE_CONNECTORS of the process that answers; "
                "give all connectors processes the same file"
            )
        if server is None or known is None or tool is None:
            return _refuse(f"The connector {call.server} has no accepted tool {call.tool}")
        access = find_access(
            spec.policy.loop.connectors, call.server, server, tool, spec.role, spec.workspace.repository
        )
        if access.refusal:
            return _refuse(f"This call is not permitted: {access.refusal}")
        if access.asks and not has_permission(world.redis, request):
            return _refuse("This call changes something, and no person has allowed it")
        if spent := charge_request(world.redis, spec, request.id, server.usd_per_call) if server.usd_per_call else "":
            return _refuse(f"This call costs ${server.usd_per_call:.2f}, and {spent}")
        if access.writes:
            check_outward()
            if not world.redis.set(keys.connector_call(request.id), 1, nx=True, ex=KEPT_SECONDS):
                return Answer(text=INTERRUPTED, is_error=True), "interrupted"
        operation = f"connector.{'write' if access.writes else 'read'}"

        def is_unwanted() -> bool:
            is_stopped = world.runs.must_stop(spec.run_id) or world.stopping.is_set()
            return is_stopped or Requests(world.redis).is_answered(request.id)  # the asker has given up

        fail(operation, "before")
        try:
            found = self.connectors.call(
                call.server, call.tool, call.arguments, run=spec.run_id, pinned=known.pinned,
                stopped=is_unwanted,
            )  # fmt: skip
        except ToolChanged as error:
            queues.wake(world.redis, queues.CHECK_CONNECTORS, "changed")
            return Answer(text=f"The call was not made: {error}. Continue without it.", is_error=True), "changed"
        except Rejected as error:
            return Answer(
                text=f"The connector {call.server} did not accept the call: {error}.", is_error=True
            ), "rejected"
        except IntegrationError as error:
            if world.stopping.is_set() and not access.writes:
                raise Unavailable("the connectors process ends") from error  # the next one repeats the call
            text = f"The connector {call.server} is not available now: {error}. "
            return Answer(text=text + (UNCERTAIN if access.writes else CONTINUE), is_error=True), "unavailable"
        finally:
            fail(operation, "done")
        return Answer(text=found.text, is_error=found.is_error), "error" if found.is_error else "done"


def _refuse(reason: str) -> tuple[Answer, str]:
    return Answer(text=f"{reason}.", is_error=True), "refused"


def _digest(arguments: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()
