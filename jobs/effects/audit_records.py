"""Fields of the audit journal's lines about decisions and effects. Pure: names, ids and results, never texts.

Called by `jobs.drive`. Comments, titles and messages of providers are left out: they can hold anything.
"""

from __future__ import annotations

from typing import Any

from integrations.errors import IntegrationError
from integrations.events import Event, PullRequestClosed, PullRequestMerged, RunFinished
from integrations.results import PROVENANCE
from jobs.loop.commands import COMMAND, Command, Freeze, StartRun, Thaw
from jobs.loop.state import Loop
from jobs.workflow import Decision

_NAMES = (
    "column", "needed", "emoji", "repository", "branch", "base_branch", "sha", "expected", "number", "state", "run_id",
    "generation", "once",
)  # fmt: skip
"""Fields of commands that identify an effect."""


def describe_decision(before: Loop, event: Event, decision: Decision) -> dict[str, Any]:
    """The event with its person, the stages before and after, and the commands; for a finished run its provenance."""
    fields: dict[str, Any] = {
        "kind": "decision",
        "ticket": decision.loop.identifier,
        "event": event.kind,
        "event_id": event.event_id,
        "stage": f"{before.stage.value} -> {decision.loop.stage.value}",
        "commands": [command.kind for command in decision.commands],
        "actor": _name_actor(event),
    }
    if isinstance(event, RunFinished):
        fields |= {"run_id": event.run_id, "role": event.role, "result": event.outcome}
        fields |= PROVENANCE.to_builtins(event.provenance) if event.provenance else {}
    return fields


def describe_effect(loop: Loop, command: Command, command_id: str, result: str) -> dict[str, Any]:
    """The command with the fields that identify its effect. `result` is "done", "not wanted" or the class of an
    error."""
    plain = COMMAND.to_builtins(command)
    fields = {name: plain[name] for name in _NAMES if name in plain}
    if isinstance(command, StartRun):
        fields = {"run_id": command.spec.run_id, "model": command.spec.model, "sha": command.spec.start_sha}
    actor = command.by if isinstance(command, Freeze | Thaw) else "loopline"
    about = {"kind": "effect", "ticket": loop.identifier, "command": command.kind, "command_id": command_id}
    return {**about, **fields, "result": result, "actor": actor}


def name_error(error: Exception) -> str:
    """The result of a command that failed."""
    kind = "rejected" if isinstance(error, IntegrationError) else "failed"
    return f"{kind}: {type(error).__name__}"


def _name_actor(event: Event) -> str:
    author = getattr(event, "author", None)
    if author is not None:
        return str(author.email or author.name or author.id)
    return str(getattr(event, "by", "") or "") if isinstance(event, PullRequestMerged | PullRequestClosed) else ""
