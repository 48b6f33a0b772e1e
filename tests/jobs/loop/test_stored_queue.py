"""What the release before has left in Redis is read by this one: `stored_queue/` holds each kind as it lay there.

After a change that a stored item cannot bear: give the new field a default, do not touch the file. After a new release:
delete the folder's files, run this test (it writes them and fails), commit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from integrations.events import EVENT, Event
from integrations.results import (
    CriterionResult,
    Evidence,
    Finding,
    Judgement,
    Plan,
    Proposal,
    ProposedCriterion,
    RunRole,
    Tampering,
    Verdict,
)
from integrations.values import Person, Ticket, Usage
from jobs.loop.commands import COMMAND, Command, RunSpec
from jobs.loop.policy import Check, LoopPolicy, RepositoryPolicy
from jobs.loop.state import Contract, Criterion, Guidance, Loop, Stage

FOLDER = Path(__file__).with_name("stored_queue")
TICKET = Ticket(id="t1", identifier="ENG-1", title="Limit logins", team="ENG", column="In Progress")
CONTRACT = Contract(criteria=(Criterion(id="c1", text="`pytest -q` passes", command="pytest -q"),))
POLICY = RepositoryPolicy(loop=LoopPolicy(checks=(Check(name="tests", run="pytest -q"),)), instructions="Be brief.")
EVIDENCE = Evidence(name="c1", command="pytest -q", exit_code=0, output="1 passed", digest="d" * 64, seconds=1.5)
RESULT = CriterionResult(criterion="c1", result="pass", evidence="seen")
FINDING = Finding(text="f")
VERDICT = Verdict(
    head_sha="a" * 40, results=(RESULT,), summary="Limits logins.", findings=(FINDING,), not_checked=("n",)
)
WORDS = Guidance(author="Ana", text="use decimals", comment_id="k1")
LOOP = Loop(
    ticket=TICKET, generation=2, stage=Stage.REVIEW, repository="acme/shop", base_branch="main", base_sha="b" * 40,
    branch="loopline/eng-1", policy=POLICY, contract=CONTRACT, answers=(WORDS,), revision=1, iteration=1,
    run_id="ENG-1-g2-r1-i1-checker", head_sha="a" * 40, pushed_sha="a" * 40, summary="Counts.", evidence=(EVIDENCE,),
    verdict=VERDICT, tried=("iteration 1: done",), words=(WORDS,), unheard=(WORDS,), heard=1, number=7,
    pull_request_url="http://h/7", approved_sha="a" * 40, approved_by="Ana", failing_checks=("ci",), last_comment="k1",
    last_comment_at=4.5, usage=Usage(model_calls=3, cost_usd=0.5), reason="", started_at=1.5, finished_at=9.5,
)  # fmt: skip
SPEC = RunSpec(
    run_id="ENG-1-g2-r1-i1-maker", ticket_id="t1", identifier="ENG-1", generation=2, role="maker",
    repository="acme/shop", base_sha="b" * 40, start_sha="a" * 40, contract=CONTRACT, ticket=TICKET, policy=POLICY,
    tried=("iteration 1: done",), words=(WORDS,), evidence=(EVIDENCE,), verdict=VERDICT, model="m", effort="high",
    started_at=1.5,
)  # fmt: skip
# A value for each field name; all others get one by their type.
KNOWN: dict[str, Any] = {
    "ticket": TICKET, "author": Person(id="u1", name="Ana"), "spec": SPEC, "words": WORDS, "verdict": VERDICT,
    "evidence": (EVIDENCE,), "usage": LOOP.usage, "metadata": {"schema": 1, "branch": "x"}, "state": "success",
    "column": "working", "conclusion": "success", "role": "maker", "outcome": "done", "comments": ("a.py:1: x",),
    "proposal": Proposal(criteria=(ProposedCriterion(text="it works"),)), "plan": Plan(summary="look"),
    "judgement": Judgement(done=True), "tampering": (Tampering(kind="ci", path="ci.yml"),), "stray": ("x.log",),
    "comment_ids": ("k1",), "only_from": "agent", "policy": POLICY.model_dump_json(),
}  # fmt: skip


def example(model: type[BaseModel]) -> BaseModel:
    """An item with no field left at its default."""
    special = {"ReviewSubmitted": {"state": "approved"}}.get(model.__name__, {})
    plain: dict[Any, Any] = {int: 2, float: 2.5, str: "text", bool: True, str | None: "text"}
    values = {
        name: special.get(name, KNOWN.get(name, plain.get(field.annotation or str, field.default)))
        for name, field in model.model_fields.items()
        if name != "kind"
    }
    return model.model_validate(values)


def members(union: Any) -> list[type[BaseModel]]:
    return list(get_args(get_args(union)[0]))


ITEMS = {
    "events": [example(one) for one in members(Event)],
    "commands": [example(one) for one in members(Command)],
    "loops": [LOOP.model_copy(update={"stage": stage}) for stage in Stage],
    "runs": [SPEC.model_copy(update={"role": role}) for role in get_args(RunRole)],
}
READ: dict[str, Any] = {
    "events": EVENT.validate_json,
    "commands": COMMAND.validate_json,
    "loops": Loop.model_validate_json,
    "runs": RunSpec.model_validate_json,
}


@pytest.mark.parametrize("what", ITEMS)
def test_everything_the_last_release_stored_is_read_whole(what: str) -> None:
    file = FOLDER / f"{what}.jsonl"
    if not file.exists():
        file.write_text("".join(f"{item.model_dump_json()}\n" for item in ITEMS[what]), encoding="utf-8")
        raise AssertionError(f"{file.name} was not there and is now: read it, then run again")
    for line in file.read_text(encoding="utf-8").splitlines():
        stored = _as_now(json.loads(line))
        now = json.loads(READ[what](line).model_dump_json())
        assert _covers(now, stored), stored.get("kind", what)


def _as_now(stored: Any) -> Any:
    """What this release has given another shape: findings were sentences, and two caps stood by themselves."""
    if isinstance(stored, list):
        return [_as_now(part) for part in stored]
    if not isinstance(stored, dict):
        return stored
    shaped = {name: _as_now(part) for name, part in stored.items()}
    if findings := stored.get("findings"):
        shaped["findings"] = [{"text": text} if isinstance(text, str) else text for text in findings]
    if "max_cost_usd" in stored:
        shaped["caps"] = {"turns": shaped.pop("max_turns"), "run_usd": shaped.pop("max_cost_usd")}
    return shaped


def _covers(now: Any, stored: Any) -> bool:
    """Whether nothing that was stored has got lost; what a newer release adds may be there as well."""
    if isinstance(stored, dict):
        return isinstance(now, dict) and all(key in now and _covers(now[key], stored[key]) for key in stored)
    if isinstance(stored, list):
        return isinstance(now, list) and len(now) == len(stored) and all(map(_covers, now, stored))
    return bool(now == stored)


@pytest.mark.parametrize("what", ITEMS)
def test_no_kind_of_the_last_release_is_gone(what: str) -> None:
    stored = {json.loads(line).get("kind", "") for line in (FOLDER / f"{what}.jsonl").read_text().splitlines()}

    assert stored <= {getattr(item, "kind", "") for item in ITEMS[what]}


@pytest.mark.parametrize("what", ITEMS)
def test_what_a_newer_release_adds_is_passed_over(what: str) -> None:
    for line in (FOLDER / f"{what}.jsonl").read_text().splitlines():
        READ[what](json.dumps(json.loads(line) | {"of_a_newer_release": [1]}))


@pytest.mark.parametrize("item", ITEMS["events"] + ITEMS["commands"], ids=lambda item: str(item.kind))
def test_the_examples_leave_no_field_at_its_default(item: BaseModel) -> None:
    unset = [n for n, f in type(item).model_fields.items() if n != "kind" and getattr(item, n) == f.default]

    assert unset == []
