"""`loop.connectors` of `WORKFLOW.md`: MCP servers of the operator that agents of the repository can use. Pure.

The operator's declaration (`integrations.connectors.servers`) is the upper bound: a repository can only narrow it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from integrations.connectors.servers import McpServer
from integrations.connectors.tools import McpTool, is_read_only
from integrations.values import value
from jobs.loop.policy_fields import Lines

ConnectorRole = Literal["planner", "scout", "maker", "checker", "answer", "triage"]
"""The roles with tools."""
ALL_ROLES: tuple[ConnectorRole, ...] = ("planner", "scout", "maker", "checker", "answer", "triage")
ASKING_ROLES = frozenset({"planner", "scout", "maker", "checker"})
"""Those whose run can wait for a person."""
_NAME = re.compile(r"[a-z0-9-]{1,30}")


def _check_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("it is not the name of a connector; write one that `loopline connectors` lists")
    return text


@value
class ConnectorPolicy:
    """The use of one server."""

    roles: Annotated[tuple[ConnectorRole, ...], Field(max_length=10)] = ALL_ROLES
    """Agents that get its tools."""
    tools: Lines = ("*",)
    """Names of its tools; `*` stands for any characters."""
    writes: Literal["never", "ask", "allow"] = "ask"
    """Tools that are not read-only, if the operator allows them for the server. ask: a person has to allow each call on
    the ticket."""


ConnectorPolicies = Annotated[dict[Annotated[str, AfterValidator(_check_name)], ConnectorPolicy], Field(max_length=20)]


def find_missing(
    policies: Mapping[str, ConnectorPolicy], offered: Mapping[str, McpServer], repository: str
) -> list[str]:
    """One sentence, without a full stop, for each entry that has no effect."""
    return [
        f"loop.connectors.{name}: the operator offers no connector of this name to {repository}, so that its tools are "
        "left out"
        for name in policies
        if name not in offered or not offered[name].is_for(repository)
    ]


@dataclass(frozen=True)
class Access:
    """Whether a role can call a tool: at once, after a person's yes, or not, for the reason in `refusal`."""

    refusal: str = ""
    writes: bool = False
    asks: bool = False


def find_access(
    policies: Mapping[str, ConnectorPolicy], name: str, server: McpServer, tool: McpTool, role: str, repository: str
) -> Access:
    """The role's access to a tool of the server `name`. Reasons name the place to change it."""
    policy = policies.get(name)
    if policy is None:
        return Access(f"loop.connectors in WORKFLOW.md does not name {name}")
    if not server.is_for(repository):
        return Access(f"the operator does not offer {name} to {repository} (`repositories` of LOOPLINE_CONNECTORS)")
    if role not in policy.roles:
        return Access(f"loop.connectors.{name}.roles in WORKFLOW.md does not name the {role}")
    if not any(fnmatchcase(tool.name, pattern) for pattern in policy.tools):
        return Access(f"loop.connectors.{name}.tools in WORKFLOW.md does not name {tool.name}")
    if is_read_only(tool, server):
        return Access()
    if not server.writes:
        return Access(
            f"{tool.name} is not known to be read-only: the operator can list it in read_only_tools of {name}, or set "
            "writes there, in the file of LOOPLINE_CONNECTORS"
        )
    if policy.writes == "never":
        return Access(f"{tool.name} is not read-only, and loop.connectors.{name}.writes in WORKFLOW.md is never")
    if policy.writes == "ask" and role not in ASKING_ROLES:
        return Access(f"{tool.name} is not read-only, and the {role} cannot ask a person for permission")
    return Access(writes=True, asks=policy.writes == "ask")
