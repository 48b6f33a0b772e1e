"""Builders for loops, run specs and results. They take fields of parts directly: `changed(loop, head_sha=HEAD)`."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from integrations.events import RunFinished
from integrations.results import EMPTY_RESULTS
from integrations.values import CommitSha, RunId, Ticket
from jobs.loop.commands import RunSpec
from jobs.loop.state import Attempt, Contract, Loop, Workspace

T = TypeVar("T")
PARTS = ("workspace", "planning", "pull_request", "candidate", "gate", "comments", "spend", "attempt")


def changed(item: T, **fields: Any) -> T:
    """`item` with these fields, which can be fields of its parts; `attempt_number` is the number of the attempt."""
    value: Any = item
    own = {field.name for field in dataclasses.fields(value)}
    given = {name: fields.pop(name) for name in list(fields) if name in own}
    for part in PARTS:
        inner = {name: fields.pop(name) for name in list(fields) if part in own and _has(getattr(value, part), name)}
        if part == "attempt" and "attempt_number" in fields:
            inner["number"] = fields.pop("attempt_number")
        if inner:
            given[part] = changed(given.get(part, getattr(value, part)), **inner)
    assert not fields, f"{type(item).__name__} has no {', '.join(fields)}"
    changed_item: T = dataclasses.replace(value, **given)
    return changed_item


def _has(part: Any, name: str) -> bool:
    fields = {field.name for field in dataclasses.fields(part)}
    return name in fields or any(_has(getattr(part, inner), name) for inner in fields & set(PARTS))


def loop_with(ticket: Ticket, **fields: Any) -> Loop:
    """A loop of this ticket."""
    return changed(Loop(ticket=ticket), **fields)


def spec_with(ticket: Ticket, run_id: str, **fields: Any) -> RunSpec:
    """A maker's run of this ticket in acme/shop, from commit b to commit a, unless `fields` override it."""
    spec = RunSpec(
        run_id=RunId(run_id),
        ticket=ticket,
        generation=1,
        role="maker",
        workspace=Workspace(repository="acme/shop", base_sha=CommitSha("b" * 40)),
        start_sha=CommitSha("a" * 40),
        contract=Contract(criteria=()),
        attempt=Attempt(iteration=1),
    )
    return changed(spec, **fields)


def run_finished(role: str, **fields: Any) -> RunFinished:
    """The report of a run of this role. Fields of its result are named directly; others than a maker make no commit."""
    empty = EMPTY_RESULTS[role]  # type: ignore[index]
    of_event = {field.name for field in dataclasses.fields(RunFinished)}
    event = {name: fields.pop(name) for name in list(fields) if name in of_event}
    if role != "maker":
        fields.pop("head_sha", None)
    return RunFinished(**{"event_id": "e", "outcome": "done", "result": dataclasses.replace(empty, **fields), **event})
