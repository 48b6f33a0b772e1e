"""The input of each performer of a repository's automations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobs.effects.world import World
from jobs.loop.automation_state import AutomationState
from jobs.runtime.lease import Lease


@dataclass(frozen=True)
class AutomationContext:
    """`id` is that of the command, the same at every retry; `state` is the one at the time of the effect."""

    id: str
    state: AutomationState
    world: World
    lease: Lease

    def build_event_fields(self, name: str = "") -> dict[str, Any]:
        """The common fields of this command's events."""
        return {"event_id": f"{self.id}/{name}", "ticket_id": self.state.id, "at": self.world.now()}
