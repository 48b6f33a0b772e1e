"""The command that the gate runs at the moment. A value."""

from __future__ import annotations

from integrations.values import Codec, value


@value
class RunningCheck:
    """Command `number` of `total`, from 1. `started_at` is Unix seconds, `limit` its time limit in seconds.

    `is_proof`: an experiment of the proof, not the command's run on the candidate."""

    number: int
    total: int
    command: str
    started_at: float
    limit: float
    is_proof: bool = False


RUNNING_CHECK: Codec[RunningCheck] = Codec(RunningCheck)
