"""The board memory: the machine block on the ticket from which the loop can be rebuilt when Redis is lost. Pure.

Linear keeps an attachment's metadata as an object of strings and numbers, so structure travels as JSON in strings.
Anybody who may edit the ticket may edit it too, so it is read with suspicion: `loop_of` checks, `jobs.recovery.rebuild`
asks board and code host again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from integrations.errors import Rejected
from integrations.values import Ticket, Value
from jobs.loop.state import Loop

Metadata = Mapping[str, str | int | float]
TITLE = "Loopline"
SCHEMA = 1
LONGEST = 8_000  # characters of one value; Linear names no limit, and a whole memory stays below a comment's size
_SAME_NAME = (
    "generation", "stage", "repository", "base_branch", "base_sha", "branch", "head_sha", "pushed_sha", "revision",
    "iteration", "attempt", "approach", "attempt_began_usd", "proposals", "extra_usd", "tampering_accepted", "summary",
    "heard", "approved_by", "last_comment", "last_comment_at", "reason", "started_at", "finished_at", "shown_at",
)  # fmt: skip
_OTHER_NAME = {"pull_request": "number", "approved": "approved_sha"}
_AS_JSON = {
    "criteria": "contract",
    "proposal": "proposal",
    "plan": "plan",
    "attempts": "attempts",
    "failing": "failing",
    "trees": "trees",
    "tampering": "tampering",
    "judgement": "judgement",
    "escalation": "escalation",
    "tried": "tried",
    "answers": "answers",
    "words": "words",
    "unheard": "unheard",
    "evidence": "evidence",
    "verdict": "verdict",
    "failing_checks": "failing_checks",
}
_USAGE = ("model_calls", "input_tokens", "cached_tokens", "output_tokens", "cost_usd")


def metadata_of(loop: Loop) -> Metadata:
    """What the attachment holds, within Linear's types. Of long lists the newest entries are kept, of evidence the
    exit codes without the output."""
    evidence = [e.model_copy(update={"output": ""}) for e in loop.evidence]
    return {
        "schema": SCHEMA,
        "identifier": loop.identifier,
        **{name: getattr(loop, name) for name in _SAME_NAME},
        "stage": loop.stage.value,
        **{name: getattr(loop, field) for name, field in _OTHER_NAME.items()},
        "contract": loop.contract.digest if loop.contract else "",
        "criteria": loop.contract.model_dump_json() if loop.contract else "",
        **{name: _whole(getattr(loop, name)) for name in ("proposal", "plan", "judgement", "escalation")},
        **{name: _newest(getattr(loop, name)) for name in ("attempts", "failing", "trees", "tampering")},
        "tried": _newest(loop.tried[-20:]),
        "answers": _newest(loop.answers),
        "words": _newest(loop.words),
        "unheard": _newest(loop.unheard),
        "evidence": _newest(evidence),
        "verdict": _whole(loop.verdict),
        "failing_checks": _newest(loop.failing_checks),
        **{name: getattr(loop.usage, name) for name in _USAGE},
    }


def loop_of(ticket: Ticket, metadata: Mapping[str, str | int | float]) -> Loop:
    """The loop that `metadata_of` was given, without the repository's policy, which is read again.

    Raises `Rejected` when it cannot be read: edited by hand, or written by a newer release."""
    schema = metadata.get("schema")
    if not isinstance(schema, int | float) or schema > SCHEMA:
        raise Rejected(f"the board memory of {ticket.identifier} has schema {schema!r}; this release reads {SCHEMA}")
    try:
        given: dict[str, Any] = {name: metadata[name] for name in _SAME_NAME if name in metadata}
        given |= {field: metadata[name] for name, field in _OTHER_NAME.items() if name in metadata}
        given |= {field: json.loads(str(metadata[name])) for name, field in _AS_JSON.items() if metadata.get(name)}
        usage = {name: metadata[name] for name in _USAGE if name in metadata}
        return Loop.model_validate({**given, "ticket": ticket, "usage": usage})
    except (ValidationError, ValueError) as error:
        raise Rejected(f"the board memory of {ticket.identifier} cannot be read: {_first_line(error)}") from error


def _whole(value: Value | None) -> str:
    """A value that is of no use in part; empty when it is too long."""
    text = value.model_dump_json() if value else ""
    return text if len(text) <= LONGEST else ""


def _newest(values: Sequence[Value | str]) -> str:
    """As a JSON list, without the oldest entries where all of them would be too long."""
    plain = [value if isinstance(value, str) else value.model_dump(mode="json") for value in values]
    while len(text := json.dumps(plain, ensure_ascii=False)) > LONGEST:
        plain = plain[1:]
    return text


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
