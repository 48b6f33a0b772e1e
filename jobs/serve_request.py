"""Answers a request of an agent process with the tokens of tracker and code host. Queued by the asker, which repeats
the wake-up while it waits."""

from __future__ import annotations

from jobs.effects.answering import answer_request
from jobs.effects.host_tools import PERFORMERS
from jobs.effects.world import current_world
from jobs.runtime import queues


def serve_request(request_id: str) -> None:
    """RQ's entry."""
    answer_request(request_id, PERFORMERS, current_world(), queues.SERVE)
