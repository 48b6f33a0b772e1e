"""What the release before has left in Redis is read by this one: `stored_queue/` holds each kind as it lay there.

After a change that a stored item cannot bear: give the new field a default, do not touch the file. After a new release:
delete the folder's files, run this test (it writes them and fails), commit.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from integrations.events import EVENT, Event, ReviewSubmitted, RunFinished
from integrations.lessons import LessonDraft
from integrations.ports.ci import CheckFailure
from integrations.ports.merge_rules import MissingPart
from integrations.ports.pull_request import (
    HostCheck,
    HostReview,
    PullRequestFacts,
    ReviewThread,
    ThreadComment,
)
from integrations.results import (
    Checked,
    CriterionResult,
    Evidence,
    Finding,
    Gated,
    Judged,
    Judgement,
    Made,
    Plan,
    Planned,
    Proposal,
    ProposedCriterion,
    Provenance,
    RunRole,
    Scouted,
    Tampering,
    Verdict,
)
from integrations.values import (
    Codec,
    MergeConflict,
    NewRelation,
    Person,
    QueuePlace,
    Ticket,
    TicketImage,
    TicketRef,
    Usage,
)
from integrations.workload import OpenReview, Overlap, ReviewLoad
from jobs.loop.automation import Automation
from jobs.loop.automation_state import TriageTask
from jobs.loop.ci_state import CiState
from jobs.loop.commands import COMMAND, RUN_SPEC, CallAnswer, Command
from jobs.loop.comments import Guidance
from jobs.loop.lesson_state import KeptLesson, Sighting
from jobs.loop.policy import POLICY, Check, LoopPolicy, RepositoryPolicy
from jobs.loop.pull_request_policy import PullRequestPolicy
from jobs.loop.review_state import OpenThread
from jobs.loop.state import LOOP, ClosedAttempt, Contract, Criterion, Escalation, Stage
from tests.loops import loop_with, spec_with

OVERLAP = Overlap(ticket="t3", identifier="ENG-3", paths=("a.py",))
FOLDER = Path(__file__).with_name("stored_queue")
TICKET = Ticket(id="t1", identifier="ENG-1", title="Limit logins", team="ENG", column="In Progress")
CONTRACT = Contract(criteria=(Criterion(id="c1", text="`pytest -q` passes", command="pytest -q"),))
RULES = RepositoryPolicy(loop=LoopPolicy(checks=(Check(name="tests", run="pytest -q"),)), instructions="Be brief.")
FACTS = PullRequestFacts(
    number=7, url="http://h/7", state="open", merged=False, draft=False, branch="loopline/eng-1", head_sha="a" * 40,
    base="main", base_sha="b" * 40, checks=(HostCheck(name="build", conclusion="failure", required=True),),
    reviews=(HostReview(id="r1", author="ana", state="approved"),),
    threads=(ReviewThread(id="t1", path="a.py", comments=(ThreadComment(id="c1", author="ana", body="why?"),)),),
)  # fmt: skip
EVIDENCE = Evidence(name="c1", command="pytest -q", exit_code=0, output="1 passed", digest="d" * 64, seconds=1.5)
RESULT = CriterionResult(criterion="c1", result="pass", evidence="seen")
FINDING = Finding(text="f")
VERDICT = Verdict(
    head_sha="a" * 40, results=(RESULT,), summary="Limits logins.", findings=(FINDING,), not_checked=("n",)
)
GUIDANCE = Guidance(author="Ana", text="use decimals", comment_id="k1")
PROPOSAL = Proposal(criteria=(ProposedCriterion(text="it works"),))
RESULTS = (
    Planned(proposal=PROPOSAL),
    Scouted(plan=Plan(summary="look")),
    Made(head_sha="a" * 40, approach="count them"),
    Gated(tree="t", evidence=(EVIDENCE,), tampering=(Tampering(kind="ci", path="ci.yml"),), stray=("x.log",)),
    Judged(judgement=Judgement(done=True)),
    Checked(verdict=VERDICT),
)
RED = HostCheck(name="build", conclusion="failure", id="5", kind="job")
FAILURE = CheckFailure(id="5", name="build", conclusion="failure", step="Run tests", log="1 failed")
CI = CiState(due_at=9.0, head_sha="a" * 40, checks=(RED,), rounds=1, failures=(FAILURE,), notices=("pending",))
MEMORY = loop_with(
    TICKET, generation=2, stage=Stage.REVIEW, repository="acme/shop", base_branch="main", base_sha="b" * 40,
    branch="loopline/eng-1", policy=RULES, contract=CONTRACT, answers=(GUIDANCE,), proposal=PROPOSAL, proposals=1,
    plan=Plan(summary="look"), revision=1, iteration=1, run_id="ENG-1-g2-r1-i1-checker", head_sha="a" * 40,
    pushed_sha="a" * 40, summary="Counts.", gate=RESULTS[3], judgement=Judgement(done=True), verdict=VERDICT,
    tried=("iteration 1: done",), guidance=(GUIDANCE,), pending=(GUIDANCE,), taken_up=1, number=7, url="http://h/7",
    approved_sha="a" * 40, approved_by="Ana", ci=CI, last_id="k1", last_at=4.5,
    usage=Usage(model_calls=3, cost_usd=0.5), extra_usd=3.0, attempts=(ClosedAttempt(number=1, tried=("no",)),),
    escalation=Escalation(kind="budget", at=3.5), started_at=1.5, finished_at=9.5,
)  # fmt: skip
THREAD = OpenThread(id="t1", comment_id="c1", path="a.py", line=1, author="Ana", text="why?")
SPEC = spec_with(
    TICKET, "ENG-1-g2-r1-i1-maker", generation=2, contract=CONTRACT, policy=RULES, candidate=MEMORY.candidate,
    tried=("iteration 1: done",), guidance=(GUIDANCE,), model="m", effort="high", started_at=1.5,
)  # fmt: skip
KEPT = KeptLesson(
    draft=LessonDraft(topic="money", rule="Use decimals.", cites=(0,)),
    sighting=Sighting(ticket="t1", identifier="ENG-1", cause="guidance", by="Ana", text="use decimals", at=4.5),
)
# A value for each field name; all others get one by their type.
KNOWN: dict[str, Any] = {
    "ticket": TICKET, "author": Person(id="u1", name="Ana"), "spec": SPEC, "guidance": GUIDANCE,
    "usage": MEMORY.spend.usage, "state": "success", "column": "working", "conclusion": "success", "outcome": "done",
    "comments": ("a.py:1: x",), "comment_ids": ("k1",), "only_from": "agent", "policy": POLICY.encode(RULES),
    "problem": "infrastructure", "protected": ("db/**",), "names": ("Loopline",), "blocked": {"npm.acme.test": 2},
    "images": (TicketImage(url="https://uploads.test/1", name="form", media_type="image/png"),),
    "checks": (RED,), "base_checks": ((RED,),), "failures": (FAILURE,), "required": ("build",), "ids": ("5",),
    "missing": (MissingPart(kind="draft"),), "way": "queue", "pending": ("build",),
    "facts": FACTS, "queued": QueuePlace(place=3, waiting=5, agents=4, busy=4),
    "cycle": ("ENG-1",), "tickets": ("t2",), "choices": ("Take it",),
    "conflicts": (MergeConflict(path="a.py", text="both changed it"),), "commits": ("abc1234 Ana: x",),
    "known_bases": ("b" * 40,), "people": {"ana": Person(id="ana", name="Ana")}, "decision": "approved",
    "answer": CallAnswer(replies=("Stopped.",)), "thread": THREAD, "carried_conflicts": ("a.py",),
    "skills": ("rounding",), "ending": "accepted", "lesson": KEPT,
    "proofs": {"tests": "`make` ended with exit 0"}, "wanted": PullRequestPolicy(labels=("loopline",)),
    "created": TicketRef(id="t2", identifier="ENG-2"), "labels": ("web",), "new_labels": ("web",),
    "filed": TicketRef(id="t2", identifier="ENG-2"), "status": "rejected",
    "relations": (NewRelation(kind="blocked_by", ticket_id="t3"),),
    "overlaps": (OVERLAP,), "overlap": OVERLAP, "paths": ("a.py",), "ignore": ("docs/**",),
    "load": ReviewLoad(reviews=(OpenReview(ticket="t3", identifier="ENG-3"),), at_work=("t4",)),
    "triage": TriageTask(run="r1", automation=Automation(name="ci-triage")),
    "provenance": Provenance(run_id="r", role="maker", outcome="done", reported_models=("m-1",), cost_usd=0.5),
}  # fmt: skip


def example(model: type[Any], **special: Any) -> Any:
    """An item with no field left at its default."""
    plain: dict[Any, Any] = {
        int: 2,
        float: 2.5,
        str: "text",
        bool: True,
        str | None: "text",
        Person | None: Person(id="u1"),
    }
    hints = get_type_hints(model)
    values: dict[str, Any] = {"state": "approved"} if model is ReviewSubmitted else {}
    for field in fields(model):
        hint = hints[field.name]
        by_type = plain.get(getattr(hint, "__supertype__", hint), "text")
        if field.name != "kind":
            values.setdefault(field.name, special.get(field.name, KNOWN.get(field.name, by_type)))
    return model(**values)


def members(union: Any) -> list[type[Any]]:
    return list(get_args(get_args(union)[0]))


ITEMS = {
    "events": [example(one) for one in members(Event) if one is not RunFinished]
    + [example(RunFinished, result=result) for result in RESULTS],
    "commands": [example(one) for one in members(Command)],
    "loops": [replace(MEMORY, stage=stage) for stage in Stage],
    "runs": [replace(SPEC, role=role) for role in get_args(RunRole)],
}
CODECS: dict[str, Codec[Any]] = {"events": EVENT, "commands": COMMAND, "loops": LOOP, "runs": RUN_SPEC}


@pytest.mark.parametrize("what", ITEMS)
def test_stored_items_of_the_last_release_are_read_completely(what: str) -> None:
    file = FOLDER / f"{what}.jsonl"
    if not file.exists():
        file.write_text("".join(f"{CODECS[what].encode(item)}\n" for item in ITEMS[what]), encoding="utf-8")
        raise AssertionError(f"{file.name} was not there and is now: read it, then run again")
    for line in file.read_text(encoding="utf-8").splitlines():
        stored = json.loads(line)
        now = CODECS[what].to_builtins(CODECS[what].decode(line))
        assert _covers(now, stored), stored.get("kind", what)


REPLACED = {"failing_checks", "own", "before"}
"""Stored fields that this release does without: checks are read again from the code host, and experiments replace the
exit codes of a command in other trees."""


def _covers(now: Any, stored: Any) -> bool:
    """Whether nothing that was stored has got lost; what a newer release adds may be there as well."""
    if isinstance(stored, dict):
        kept = stored.keys() - REPLACED
        return isinstance(now, dict) and all(key in now and _covers(now[key], stored[key]) for key in kept)
    if isinstance(stored, list):
        return isinstance(now, list) and len(now) == len(stored) and all(map(_covers, now, stored))
    return bool(now == stored)


@pytest.mark.parametrize("what", ITEMS)
def test_stored_kinds_of_the_last_release_still_exist(what: str) -> None:
    stored = {json.loads(line).get("kind", "") for line in (FOLDER / f"{what}.jsonl").read_text().splitlines()}

    assert stored <= {getattr(item, "kind", "") for item in ITEMS[what]}


@pytest.mark.parametrize("what", ITEMS)
def test_stored_fields_of_a_newer_release_are_ignored(what: str) -> None:
    for line in (FOLDER / f"{what}.jsonl").read_text().splitlines():
        CODECS[what].decode(json.dumps(json.loads(line) | {"of_a_newer_release": [1]}))


@pytest.mark.parametrize("item", ITEMS["events"] + ITEMS["commands"], ids=lambda item: str(item.kind))
def test_stored_examples_leave_no_field_at_its_default(item: Any) -> None:
    unset = [
        field.name for field in fields(item) if field.name != "kind" and getattr(item, field.name) == field.default
    ]

    assert unset == []
