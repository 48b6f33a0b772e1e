"""`loop.tools` of `WORKFLOW.md`: the host tools of each role, beside those for its work tree. Pure."""

from __future__ import annotations

from typing import Literal, get_args

from integrations.values import value

ReadingTool = Literal["read_tickets", "read_ci_log", "read_repository", "search_code", "query_database"]
"""Tools that change nothing."""
ToolName = Literal[
    "ask_person", "propose_ticket", "read_tickets", "read_ci_log", "read_repository", "search_code", "query_database"
]
READING: tuple[ReadingTool, ...] = get_args(ReadingTool)


@value
class ToolsPolicy:
    """Names of the host tools by role; an empty list allows none."""

    planner: tuple[ToolName, ...] = READING
    scout: tuple[ToolName, ...] = READING
    maker: tuple[ToolName, ...] = ("ask_person", *READING)
    checker: tuple[ToolName, ...] = READING
    answer: tuple[ReadingTool, ...] = READING
    """The role that answers comments."""
    triage: tuple[ReadingTool, ...] = READING
    """The role that finds work for automations."""

    def of_role(self, role: str) -> tuple[ToolName, ...]:
        """The tools of this role; none for a role without a work tree."""
        tools: tuple[ToolName, ...] = getattr(self, role, ())
        return tools
