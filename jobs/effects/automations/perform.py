"""One function per command of a repository's automations. Called by `jobs.automate`.

Every performer is idempotent and returns the events that it caused, as those of `jobs.effects.perform`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from integrations.automation_events import AutomationEvent
from integrations.outward import check_outward
from jobs.effects.automations.context import AutomationContext
from jobs.effects.automations.declarations import read_declarations
from jobs.effects.automations.filing import file_finding, note_finding
from jobs.effects.automations.memory import write_memory
from jobs.effects.automations.sources import read_sources
from jobs.loop import automation_commands as c
from jobs.loop.commands import StartRun
from jobs.runtime import queues


def perform_automation(command: c.AutomationCommand, ctx: AutomationContext) -> Sequence[AutomationEvent]:
    """Perform one command. Raises `Unavailable` (retry), `Rejected` (no retry), `LeaseLost` (another worker has it),
    `Frozen` for an outward command while the service is frozen."""
    ctx.lease.check()
    if c.lane_of_automation(command) == "outer":
        check_outward()
    return tuple(_PERFORMERS[type(command)](command, ctx) or ())


def start_run(command: StartRun, ctx: AutomationContext) -> None:
    """Store the run, then wake an agent process."""
    ctx.world.runs.start(command.spec)
    queues.wake_run(ctx.world.redis, command.spec.run_id)


_PERFORMERS: dict[type, Callable[[Any, AutomationContext], Sequence[AutomationEvent] | None]] = {
    c.ReadDeclarations: read_declarations,
    c.ReadSources: read_sources,
    c.FileFinding: file_finding,
    c.NoteFinding: note_finding,
    c.WriteMemory: write_memory,
    StartRun: start_run,
}
