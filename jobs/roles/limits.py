"""What a run's policy and caps say about going in circles and about the context, in the runner's words. Pure.

Called by `jobs.roles.slice` when it hands a task to the runner, which knows no policy.
"""

from __future__ import annotations

from integrations.ports.agent_runner import ContextLimits, SpinningLimits
from jobs.loop.commands import RunSpec


def spinning_limits(spec: RunSpec) -> SpinningLimits:
    """The same-failures rule is left out: it looks at iterations, which are no business of a runner."""
    own = {name: limit for name, limit in vars(spec.policy.loop.spinning).items() if name != "same_failures"}
    return SpinningLimits(**own, no_progress_usd=spec.caps.no_progress_usd)


def context_limits(spec: RunSpec) -> ContextLimits:
    """When old tool results leave the conversation."""
    return ContextLimits(**vars(spec.policy.loop.context))
