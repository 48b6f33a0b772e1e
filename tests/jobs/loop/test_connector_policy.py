"""Access to tools of connectors: the operator's bound, the repository's choice, and the role."""

from __future__ import annotations

import pytest

from integrations.connectors.servers import McpServer
from integrations.connectors.tools import McpTool
from jobs.loop.connector_policy import Access, ConnectorPolicy, find_access, find_missing
from jobs.loop.policy import read_policy

SERVER = McpServer(url="https://mcp.acme.test", read_only_tools=("get",), repositories=("Acme/Shop",))
MARKED = McpTool(name="list", read_only=True)


def access(tool: McpTool, server: McpServer = SERVER, role: str = "maker", **policy: object) -> Access:
    policies = {"docs": ConnectorPolicy(**policy)}  # type: ignore[arg-type]
    return find_access(policies, "docs", server, tool, role, "acme/shop")


def with_writes(**more: object) -> McpServer:
    return McpServer(url="https://mcp.acme.test", writes=True, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (access(McpTool(name="get")), Access()),
        (access(MARKED, with_writes(trust_annotations=True)), Access()),
        (access(MARKED, with_writes()), Access(writes=True, asks=True)),
        (access(MARKED, with_writes(), writes="allow"), Access(writes=True)),
        (access(McpTool(name="get_all"), with_writes(), writes="allow", tools=("get_*",)), Access(writes=True)),
    ],
)
def test_access_follows_operator_and_repository(found: Access, expected: Access) -> None:
    assert found == expected


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (access(MARKED), "not known to be read-only"),
        (access(MARKED, with_writes(), writes="never"), "loop.connectors.docs.writes in WORKFLOW.md is never"),
        (access(MARKED, with_writes(), role="triage"), "the triage cannot ask a person"),
        (access(MARKED, role="checker", roles=("maker",)), "loop.connectors.docs.roles in WORKFLOW.md"),
        (access(MARKED, tools=("get", "lis")), "loop.connectors.docs.tools in WORKFLOW.md does not name list"),
        (access(MARKED, with_writes(repositories=("acme/web",))), "does not offer docs to acme/shop"),
        (find_access({}, "docs", SERVER, MARKED, "maker", "acme/shop"), "WORKFLOW.md does not name docs"),
    ],
)
def test_refusal_names_the_place_to_change(found: Access, reason: str) -> None:
    assert reason in found.refusal and not found.writes


def test_policy_reads_connectors_and_explains_wrong_ones() -> None:
    text = "---\nloop:\n  connectors:\n    docs: {}\n    db: {roles: [maker], tools: [read_*], writes: allow}\n---\nGo."
    policy = read_policy(text, "acme/shop").loop.connectors
    expected = ConnectorPolicy(roles=("maker",), tools=("read_*",), writes="allow")
    assert policy == {"docs": ConnectorPolicy(), "db": expected}
    for wrong in ("docs: {role: [maker]}", "docs: {writes: always}", "Docs: {}", "docs: {roles: [judge]}"):
        with pytest.raises(ValueError, match=r"line \d+, loop.connectors"):
            read_policy(f"---\nloop:\n  connectors:\n    {wrong}\n---\nGo.", "acme/shop")


def test_connector_that_is_not_offered_is_a_note() -> None:
    policies = {name: ConnectorPolicy() for name in ("docs", "db", "web")}
    offered = {"docs": SERVER, "web": with_writes(repositories=("acme/web",))}
    found = find_missing(policies, offered, "acme/shop")
    assert [note.partition(":")[0] for note in found] == ["loop.connectors.db", "loop.connectors.web"]
