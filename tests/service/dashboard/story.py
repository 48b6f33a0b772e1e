"""Loops and runs for the dashboard, written through the stores of `jobs`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from redis import Redis

from integrations.events import TicketMoved
from integrations.ports.agent_runner import Entry
from integrations.proof import Experiment
from integrations.results import (
    CriterionResult,
    Evidence,
    Finding,
    Judgement,
    Plan,
    Proposal,
    ProposedCriterion,
    Question,
    Tampering,
    Verdict,
)
from integrations.values import Ticket, Usage
from jobs.loop.commands import RunSpec
from jobs.loop.comments import Guidance
from jobs.loop.state import ClosedAttempt, Contract, Criterion, Escalation, Loop, Stage
from jobs.runtime.lease import hold
from jobs.store.runs import RunConversation, Runs
from jobs.store.tickets import Store
from tests.loops import changed, loop_with, run_finished, spec_with

CONTRACT = Contract(
    criteria=(
        Criterion(id="c1", text="`python -m pytest tests/cart` passes", command="python -m pytest tests/cart"),
        Criterion(id="c2", text="a voucher of 100 % makes the total 0.00 and never negative"),
        Criterion(id="k1", text="lint (repository check)", command="ruff check ."),
    )
)


EXPERIMENTS = (
    Experiment(
        criterion="c1", kind="old_tests", result="asked", held=211, total=214, seconds=8.2,
        text="3 existing tests no longer pass; this change edits them", output="3 failed, 211 passed",
        names=("tests/test_cart.py::test_two_vouchers",),
    ),
    Experiment(criterion="c1", kind="new_tests", result="held", held=3, total=3, seconds=2.1, output="3 failed"),
    Experiment(criterion="c1", kind="broken_code", result="refuted", names=("shop/cart.py",), output="214 passed"),
    Experiment(criterion="k1", kind="suppressions", result="held"),
    Experiment(criterion="c1", kind="false_expectations", result="skipped", text="the time budget is used up"),
)  # fmt: skip


def a_loop(ticket_number: int = 12, title: str = "Cart total is wrong when two vouchers apply", **changes: Any) -> Loop:
    identifier = f"ENG-{ticket_number}"
    url = f"https://linear.app/acme/issue/{identifier}"
    ticket = Ticket(id=f"ticket-{ticket_number}", identifier=identifier, title=title, url=url, team="ENG")
    branch = f"loopline/eng-{ticket_number}"
    known: dict[str, Any] = {"repository": "acme/shop", "branch": branch, "stage": Stage.MAKING, "iteration": 1}
    return loop_with(ticket, **known | {"generation": 1, "started_at": time.time() - 600} | changes)


def a_run(loop: Loop, role: Any = "maker", iteration: int = 1, **changes: Any) -> RunSpec:
    known: dict[str, Any] = {
        "generation": loop.generation,
        "role": role,
        "repository": loop.workspace.repository,
        "start_sha": "b" * 40,
        "contract": CONTRACT,
        "iteration": iteration,
        "started_at": loop.started_at + 10.0 * iteration,
    }
    run_id = f"{loop.identifier}-g{loop.generation}-r{loop.revision}-i{iteration}-{role}"
    return spec_with(loop.ticket, changes.pop("run_id", run_id), **known | changes)


class Story:
    """Writes loops and runs as workers and agents do."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.runs = Runs(redis)
        self.store = Store(redis)

    def remember(self, loop: Loop) -> Loop:
        t = loop.ticket.id
        self.store.deliver(TicketMoved(event_id=f"{t}:{time.monotonic_ns()}", ticket_id=t))
        with hold(self.redis, t) as lease:
            raw = self.store.next_event(t)
            assert lease and raw
            self.store.commit(lease, t, raw, loop, [])
        return loop

    def begin(self, loop: Loop, role: str = "maker", iteration: int = 1, **changes: Any) -> RunSpec:
        spec = a_run(loop, role, iteration, **changes)
        self.runs.start(spec)
        return spec

    def tell(self, spec: RunSpec, *entries: Entry, usage: Usage | None = None) -> None:
        with hold(self.redis, f"run:{spec.run_id}") as lease:
            assert lease
            conversation = RunConversation(self.runs, spec, lease)
            for entry in entries:
                conversation.append(entry)
            conversation.reserve(Usage(), Usage())
            conversation.settle(usage or Usage(), answered=True)

    def end(self, spec: RunSpec, outcome: Any = "done", summary: str = "", **fields: Any) -> None:
        about = {"event_id": f"{spec.run_id}:finished", "ticket_id": spec.ticket.id, "run_id": spec.run_id}
        event = run_finished(spec.role, **about, generation=spec.generation, outcome=outcome, summary=summary, **fields)
        with hold(self.redis, f"run:{spec.run_id}") as lease:
            assert lease and self.runs.finish(lease, event, heed_guidance=False)


def note(text: str) -> Entry:
    return Entry("note", {"text": text})


def says(text: str) -> Entry:
    return Entry("block", {"type": "text", "text": text})


def thinks(text: str) -> Entry:
    return Entry("block", {"type": "thinking", "text": text})


def calls(name: str, given: Mapping[str, Any], call: str = "call-1") -> Entry:
    return Entry("block", {"type": "tool_call", "id": call, "name": name, "input": dict(given)})


def result(content: str, call: str = "call-1", is_error: bool = False) -> Entry:
    return Entry("tool_result", {"call_id": call, "content": content, "is_error": is_error})


def turn(stop_reason: str = "tool_calls") -> Entry:
    usage = Usage(model_calls=1, input_tokens=14_210, cached_tokens=12_900, output_tokens=512, cost_usd=0.0123)
    return Entry("turn", {"stop_reason": stop_reason, "blocks": 1, "usage": asdict(usage)})


def fill(redis: Redis) -> Loop:
    """Write six loops at different stages; returns the one in progress."""
    story, now = Story(redis), time.time()
    for loop in (
        a_loop(7, "Rate-limit the login form", stage=Stage.REVIEW, iteration=2, number=41, started_at=now - 5400,
               url="https://github.com/acme/shop/pull/41", contract=CONTRACT,
               head_sha="4f2a9c1" + "0" * 33, usage=Usage(model_calls=31, cost_usd=0.84)),
        a_loop(15, "Make the app better", stage=Stage.ASKING, iteration=0,
               reason="I need acceptance criteria: neither the ticket nor the repository defines any.",
               proposal=PROPOSAL),
        a_loop(9, "Move the price rules out of the checkout view and into a module of their own, with tests that "
               "cover rounding in all six currencies", stage=Stage.NEEDS_HUMAN, iteration=3, started_at=now - 9000,
               reason="three iterations did not meet the contract; the last gate failed `ruff check .` with exit 1.",
               usage=Usage(model_calls=88, cost_usd=3.41), extra_usd=3.0, attempt_number=3, attempts=ATTEMPTS,
               contract=replace(CONTRACT, version=2, may_change=("tests/test_cart.py", ".github/workflows/ci.yml")),
               plan=PLAN, tampering=TAMPERING,
               experiments=EXPERIMENTS, proof_seconds=41.3,
               evidence=FLAKY, judgement=JUDGEMENT, head_sha="51c0ffe" + "0" * 33,
               escalation=Escalation(kind="spinning", at=now - 7300, raised=2)),
        a_loop(3, "Typo in the footer", stage=Stage.DONE, started_at=now - 90_000, finished_at=now - 89_500,
               usage=Usage(model_calls=6, cost_usd=0.09)),
        a_loop(5, "Dark mode for the invoice PDF", stage=Stage.STOPPED, started_at=now - 80_000),
    ):  # fmt: skip
        story.remember(loop)
    return _working(story)


def _working(story: Story) -> Loop:
    loop = a_loop(
        12,
        iteration=2,
        revision=0,
        contract=CONTRACT,
        head_sha="9c1d4e7" + "0" * 33,
        usage=Usage(model_calls=14, cost_usd=0.42),
        tried=("iteration 1 at `9c1d4e7`: the gate failed: `ruff check .` exit 1",),
        guidance=(
            Guidance(author="Mira Okafor", text="Please keep the public signature of total(), the app calls it."),
        ),
        run_id="ENG-12-g1-r0-i2-maker",
    )
    loop = changed(loop, evidence=EVIDENCE, verdict=VERDICT)
    story.remember(loop)
    first = story.begin(loop, "maker", 1, model="claude-sonnet-5-5")
    story.tell(first, says("I apply the vouchers one after another."), usage=Usage(model_calls=9, cost_usd=0.28))
    story.end(first, summary="Applied vouchers one after another.")
    gate = story.begin(loop, "gate", 1, started_at=first.started_at + 5)
    story.tell(gate, note("$ ruff check .\nexit 1\ncart/total.py:14:5: F841 unused"))
    story.end(gate)
    run = story.begin(loop, "maker", 2, model="claude-sonnet-5-5")
    story.tell(run, *ENTRIES, usage=Usage(model_calls=5, cost_usd=0.14))
    return loop


EVIDENCE = (
    Evidence(name="c1", command="python -m pytest tests/cart", exit_code=0, seconds=3.2, digest="ab12" * 16,
             output="..................                                       [100%]\n18 passed in 2.71s"),
    Evidence(name="k1", command="ruff check .", exit_code=1, seconds=0.4, digest="cd34" * 16,
             output="cart/total.py:14:5: F841 Local variable `rest` is assigned to but never used\nFound 1 error."),
)  # fmt: skip
FLAKY = (
    Evidence(name="c1", command="python -m pytest tests/cart", exit_code=0, exit_codes=(1, 0, 1), seconds=9.1,
             digest="ef56" * 16, output="1 failed, 17 passed in 2.90s"),
    Evidence(name="c2", command="python -m pytest tests/cart/test_vouchers.py", exit_code=0, exit_codes=(0,),
             seconds=1.2, digest="0a1b" * 16, output="4 passed in 0.61s"),
)  # fmt: skip
PROPOSAL = Proposal(
    summary="The ticket names no place, so I took the slowest page.",
    criteria=(
        ProposedCriterion(text="the start page answers in 300 ms", command="python -m pytest tests/speed"),
        ProposedCriterion(text="nothing on it moves while it loads", evidence="a screenshot"),
    ),
    confidence="low",
    questions=(Question(text="Which page is meant?", options=("the start page", "the checkout")),),
)
PLAN = Plan(
    summary="Prices are rounded in `checkout/view.py`; the rules move out unchanged.",
    steps=("write tests for the six currencies", "move the rules", "call them from the view"),
    paths=("checkout/view.py", "prices/rules.py"),
    commands=("python -m pytest tests/cart",),
)
ATTEMPTS = (
    ClosedAttempt(number=1, approach="moved the rules as they are", summary="Moved them.", cost_usd=1.2,
            head_sha="a" * 40, tried=("iteration 1: the gate failed", "iteration 2: the gate failed"),
            rejected="rounding differs in yen"),
    ClosedAttempt(number=2, approach="wrote the tests first", cost_usd=1.1, rejected="two tests are flaky"),
)  # fmt: skip
TAMPERING = (
    Tampering(kind="test_skipped", path="tests/cart/test_yen.py", line=14, text='@pytest.mark.skip(reason="later")'),
    Tampering(kind="ci", path=".github/workflows/ci.yml"),
)
JUDGEMENT = Judgement(done=False, reason="Yen is still rounded twice.", missing=("c2: no test for yen",))
VERDICT = Verdict(
    head_sha="9c1d4e7" + "0" * 33,
    summary="The totals are right; lint fails and `total()` has a leftover variable.",
    results=(
        CriterionResult(criterion="c1", result="pass", evidence="pytest tests/cart, exit 0, 18 tests"),
        CriterionResult(criterion="c2", result="unsure", evidence="no test covers a voucher above 100 %"),
    ),
    findings=(Finding(text="keeps an unused variable", path="cart/total.py", line=14),),
    not_checked=("the mobile client's own rounding",),
)
_LISTING = "\n".join(f"{n:4}  {line}" for n, line in enumerate(["def total(items, vouchers):"] + ["    ..."] * 21, 1))
ENTRIES = (
    Entry("brief", {"text": "# ENG-12\n\nCart total is wrong when two vouchers apply.\n\nDone when: …"}),
    thinks("The gate failed on lint only. The unused name is left over from my first try."),
    says("The gate failed on one lint error. I'll look at the file, remove the leftover and run both checks again."),
    calls("bash", {"command": "sed -n 1,40p cart/total.py && git log --oneline -3"}),
    turn(),
    result(_LISTING),
    calls("edit",
          {"command": "str_replace", "path": "cart/total.py",
           "old_str": "    rest = total - off\n    return total - off",
           "new_str": "    return max(total - off, Decimal(0))"}, "call-2"),
    turn(),
    result("The file cart/total.py has been edited.", "call-2"),
    Entry("steering", {"text": "Comment from Mira Okafor:\nPlease keep the public signature of total().",
                       "comment_ids": ["x"]}),
    calls("bash", {"command": "python -m pytest -q tests/cart; ruff check ."}, "call-3"),
    calls("search", {"pattern": r"total\(", "path": "app"}, "call-4"),
    turn(),
    result("app/views.py:31: return total(items, vouchers)", "call-4"),
    result("error: command timed out after 120 s", "call-3", is_error=True),
)  # fmt: skip
