"""The board memory: the machine block on the ticket from which the loop can be rebuilt when Redis is lost. Pure.

Linear keeps an attachment's metadata as an object of strings and numbers, so structure travels as JSON in strings.
"""

from __future__ import annotations

import json

from jobs.loop import Loop

SCHEMA = 1


def metadata_of(loop: Loop) -> dict[str, str | int | float]:
    """What the attachment holds, within Linear's types; lists are JSON text, the newest 20 lines of `tried`."""
    return {
        "schema": SCHEMA,
        "identifier": loop.identifier,
        "generation": loop.generation,
        "stage": loop.stage.value,
        "repository": loop.repository,
        "base_branch": loop.base_branch,
        "base_sha": loop.base_sha,
        "branch": loop.branch,
        "head_sha": loop.head_sha,
        "pushed_sha": loop.pushed_sha,
        "pull_request": loop.number,
        "revision": loop.revision,
        "iteration": loop.iteration,
        "contract": loop.contract.digest if loop.contract else "",
        "criteria": loop.contract.model_dump_json() if loop.contract else "",
        "tried": json.dumps(loop.tried[-20:], ensure_ascii=False),
        "approved": loop.approved_sha,
        "model_calls": loop.usage.model_calls,
        "cost_usd": loop.usage.cost_usd,
        "last_comment": loop.last_comment,
        "reason": loop.reason,
    }
