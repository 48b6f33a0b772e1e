"""The board memory: the machine block on the ticket from which the loop can be rebuilt when Redis is lost. Pure.

Linear keeps an attachment's metadata as an object of strings and numbers, so structure travels as JSON in strings.
Any account with write access to the ticket can edit it, so it is not trusted: `loop_of` validates the schema, and
`jobs.recovery.rebuild` reads board and code host again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from itertools import accumulate
from operator import getitem
from typing import Any

from pydantic import ValidationError

from integrations.errors import Rejected
from integrations.proof import Experiment
from integrations.values import RunId, Ticket
from jobs.loop.state import LOOP, Loop

Metadata = Mapping[str, str | int | float]
TITLE = "Loopline"
SCHEMA = 1
LONGEST = 8_000  # characters of one value; Linear names no limit, and a whole memory stays below a comment's size
_PLAIN = {
    **{name: name for name in ("generation", "stage", "revision", "reason", "started_at", "finished_at")},
    **{
        name: f"workspace.{name}"
        for name in ("repository", "base_branch", "base_sha", "branch", "chosen_base", "taken_over_by")
    },
    **{name: f"candidate.{name}" for name in ("head_sha", "summary")},
    **{name: f"pull_request.{name}" for name in ("pushed_sha", "approved_by", "shown_at")},
    **{
        name: f"spend.usage.{name}"
        for name in ("model_calls", "input_tokens", "cached_tokens", "output_tokens", "cost_usd")
    },
    "attempt": "attempt.number",
    "iteration": "attempt.iteration",
    "approach": "attempt.approach",
    "cause": "attempt.cause",
    "attempt_began_usd": "attempt.began_usd",
    "proposals": "planning.proposals",
    "tampering_accepted": "candidate.accepted_sha",
    "tampering_accepted_by": "candidate.accepted_by",
    "proof_seconds": "candidate.gate.proof_seconds",
    "merge": "upstream.merge_sha",
    "merged_into": "upstream.merged_into",
    "merges": "upstream.merges",
    "pull_request": "pull_request.number",
    "pull_request_url": "pull_request.url",
    "pull_request_title": "pull_request.title",
    "approved": "pull_request.approved_sha",
    "taken_up": "comments.taken_up",
    "last_comment": "comments.last_id",
    "last_comment_at": "comments.last_at",
    "extra_usd": "spend.extra_usd",
    "checkpoint": "checkpoint",
    "session": "session_id",
    "part_of": "part_of",
    "commented_by": "pull_request.commented_by",
}
"""Key of the metadata and place in the loop, for strings and numbers."""
_AS_JSON = {
    "waits_for": "waits_for",
    "wait": "wait",
    "parts": "parts",
    "finding": "finding",
    "merged": "merged",
    "criteria": "contract",
    "preflight": "preflight",
    "images": "images",
    "answers": "planning.answers",
    "proposal": "planning.proposal",
    "plan": "planning.plan",
    "attempts": "attempts",
    "failing": "attempt.failing",
    "trees": "attempt.trees",
    "tried": "attempt.tried",
    "skills_read": "attempt.skills",
    "evidence": "candidate.gate.evidence",
    "experiments": "candidate.gate.experiments",
    "tampering": "candidate.gate.tampering",
    "dependencies": "candidate.gate.dependencies",
    "others": "candidate.gate.others",
    "judgement": "candidate.judgement",
    "verdict": "candidate.verdict",
    "guidance": "comments.guidance",
    "pending": "comments.pending",
    "noted": "comments.noted",
    "answering": "comments.answering",
    "ci": "ci",
    "foreign": "foreign",
    "draft": "pull_request.draft",
    "announced": "pull_request.announced",
    "conflicts": "upstream.conflicts",
    "escalation": "escalation",
    "review": "review",
    "learning": "learning",
    "merging": "merging",
}
"""The same for lists and objects."""


def metadata_of(loop: Loop) -> Metadata:
    """The attachment's metadata, within Linear's types. Of long lists the newest entries are kept, of evidence the exit
    codes without the output, of experiments the numbers, and the names that a person has to decide about."""
    evidence = tuple(replace(e, output="") for e in loop.candidate.evidence)
    gate = replace(loop.candidate.gate, evidence=evidence, experiments=_shorten(loop.candidate.gate.experiments))
    attempt = replace(loop.attempt, tried=loop.attempt.tried[-20:])
    candidate = replace(loop.candidate, gate=gate)
    escalation = loop.escalation and replace(loop.escalation, run_id=RunId(""))  # a rebuild does not find the run
    loop = replace(loop, candidate=candidate, attempt=attempt, escalation=escalation, ci=loop.ci.shorten())
    plain = LOOP.to_builtins(loop)
    return {
        "schema": SCHEMA,
        "identifier": loop.identifier,
        "contract": loop.contract.digest if loop.contract else "",
        **{name: reduce(getitem, place.split("."), plain) for name, place in _PLAIN.items()},
        **{name: _bounded(reduce(getitem, place.split("."), plain)) for name, place in _AS_JSON.items()},
    }


def _shorten(experiments: tuple[Experiment, ...]) -> tuple[Experiment, ...]:
    return tuple(replace(one, output="", names=one.names if one.result == "asked" else ()) for one in experiments)


def loop_of(ticket: Ticket, metadata: Mapping[str, str | int | float]) -> Loop:
    """The loop that `metadata_of` was given, without the repository's policy, which is read again.

    Raises `Rejected` when it cannot be read: edited by hand, or written by a newer release."""
    schema = metadata.get("schema")
    if not isinstance(schema, int | float) or schema > SCHEMA:
        raise Rejected(f"the board memory of {ticket.identifier} has schema {schema!r}; this release reads {SCHEMA}")
    plain: dict[str, Any] = {"ticket": ticket}
    try:
        for name, place in _PLAIN.items():
            if name in metadata:
                _put(plain, place, metadata[name])
        for name, place in _AS_JSON.items():
            if metadata.get(name):
                _put(plain, place, json.loads(str(metadata[name])))
        return LOOP.from_builtins(plain)
    except (ValidationError, ValueError) as error:
        cause = " ".join(str(error).split())[:200]
        raise Rejected(f"the board memory of {ticket.identifier} cannot be read: {cause}") from error


def is_ahead(metadata: Metadata, loop: Loop) -> bool:
    """Whether the board memory is newer than the loop, which then comes from a backup: the board is written last."""
    usage = loop.spend.usage
    known = (loop.generation, loop.revision, loop.pull_request.number, usage.model_calls, loop.comments.last_at)
    names = ("generation", "revision", "pull_request", "model_calls", "last_comment_at")
    return tuple(_number(metadata.get(name)) for name in names) > known


def _number(found: str | int | float | None) -> float:
    return float(found) if isinstance(found, int | float) else 0.0


def _put(plain: dict[str, Any], place: str, item: object) -> None:
    *outer, name = place.split(".")
    for key in outer:
        plain = plain.setdefault(key, {})
    plain[name] = item


def _bounded(plain: dict[str, Any] | list[Any] | None) -> str:
    """As JSON. A list that is too long loses its oldest entries; an object that is too long is omitted."""
    if plain is None:
        return ""
    if isinstance(plain, list):
        sizes = accumulate(len(json.dumps(item, ensure_ascii=False)) + 2 for item in reversed(plain))
        kept = sum(size <= LONGEST for size in sizes)
        plain = plain[len(plain) - kept :]
    text = json.dumps(plain, ensure_ascii=False)
    return text if len(text) <= LONGEST else ""
