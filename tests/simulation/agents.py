"""The agents of the simulation: runs that work, receive guidance, are interrupted, and end with every outcome.

Called by `world`. What a run costs and how it ends is drawn when it happens; a candidate commit's name comes from its
run, as the real one's does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from integrations.lessons import LessonDraft
from integrations.results import (
    AnswerKind,
    BaseCheck,
    BaseState,
    CriterionResult,
    Evidence,
    Judgement,
    Meaning,
    Plan,
    Proposal,
    ProposedCriterion,
    Tampering,
    ThreadAnswer,
    Verdict,
)  # fmt: skip
from integrations.values import Usage
from jobs.contract.agreement import read_ticket_criteria
from jobs.loop.commands import RunSpec
from jobs.loop.connector_policy import ASKING_ROLES
from jobs.workflow.run import FREE
from tests.loops import run_finished
from tests.simulation.checks import Ledger
from tests.simulation.memory import Memory, Run
from tests.simulation.outside import Host

_ENDS = {
    "preflight": ("done",) * 8 + ("environment",) * 3 + ("failed",),
    "planner": ("done",) * 6 + ("failed", "budget"),
    "scout": ("done",) * 10 + ("failed", "turns", "budget"),
    "maker": ("done",) * 12
    + ("no_change", "failed", "turns", "refused", "budget", "spinning")
    + ("environment", "policy"),
    "gate": ("done",) * 14 + ("failed", "environment"),
    "judge": ("done",) * 14 + ("failed",),
    "answer": ("done",) * 8 + ("failed", "budget", "turns"),
    "checker": ("done",) * 14 + ("failed", "budget", "turns"),
    "lesson": ("done",) * 8 + ("failed", "budget", "turns"),
}


@dataclass
class Agents:
    """All agent processes."""

    memory: Memory
    host: Host
    ledgers: dict[str, Ledger]
    random: Random
    now: Callable[[], float]
    calm: bool = False
    """Every run does its best from now on, at no cost."""

    def advance(self, run: Run) -> str:
        """One slice."""
        deaf = not self.calm and self.random.random() < 0.3  # it ends before it reads the stop request
        if run.must_stop and not deaf:
            return self._end(run, outcome="stopped")
        if run.awaits_person:
            return ""
        if self.calm:
            return self._end(run, **self._result(run.spec, "done"))
        match self.random.randrange(5):
            case 0 if run.spec.role in ASKING_ROLES and self.random.random() < 0.2:
                self.memory.ask(run, self.now())
                return f"{run.spec.run_id} asks a person"
            case 0 if run.spec.role not in FREE:
                run.usage = run.usage.plus(Usage(model_calls=1, cost_usd=self.random.choice((0.25, 1.0, 2.5))))
                return f"{run.spec.run_id} spends"
            case 1 if run.steering:
                self.memory.take_steering(run)
                return f"{run.spec.run_id} receives guidance"
            case 2:
                return f"{run.spec.run_id} is killed and begins its slice again"
        return self._end(run, **self._result(run.spec, self.random.choice(_ENDS[run.spec.role])))

    def _result(self, spec: RunSpec, outcome: str) -> dict[str, Any]:
        if outcome == "no_change":
            return {"outcome": outcome, "head_sha": spec.start_sha, "answers": self._answer_threads(spec)}
        if outcome != "done":
            return {"outcome": outcome, "summary": "it broke"}
        results: dict[str, Callable[[RunSpec], dict[str, Any]]] = {
            "preflight": self._preflight, "planner": self._plan, "scout": self._scout,
            "maker": self._make, "gate": self._gate, "judge": self._judge, "checker": self._check,
            "answer": self._answer, "lesson": self._learn,
        }  # fmt: skip
        return {"outcome": outcome, **results[spec.role](spec)}

    def _preflight(self, spec: RunSpec) -> dict[str, Any]:
        states: tuple[BaseState, ...] = ("",) if self.calm else ("", "", "failing", "flaky")
        checks = [BaseCheck(command=c.run, state=self.random.choice(states)) for c in spec.policy.loop.checks]
        return {"checks": tuple(checks)}

    def _plan(self, spec: RunSpec) -> dict[str, Any]:
        sure = "high" if self.calm else self.random.choice(("high", "medium", "low"))
        own = read_ticket_criteria(spec.ticket.description).criteria if self.calm or self.random.random() < 0.7 else ()
        criteria = own or (ProposedCriterion(text="it works", command="make"),)
        return {"proposal": Proposal(criteria=criteria, confidence=sure)}

    def _scout(self, spec: RunSpec) -> dict[str, Any]:
        return {"plan": Plan(summary="look here", paths=("src/login.py",))}

    def _judge(self, spec: RunSpec) -> dict[str, Any]:
        happy = self.calm or self.random.random() < 0.8
        return {"judgement": Judgement(done=happy, missing=() if happy else ("the rest",))}

    def _answer(self, spec: RunSpec) -> dict[str, Any]:
        meanings: tuple[Meaning, ...] = ("change", "question", "thanks", "unclear")
        return {"meaning": self.random.choice(meanings), "reply": "Because."}

    def _learn(self, spec: RunSpec) -> dict[str, Any]:
        rule = self.random.choice(("", "Use decimals."))
        return {"draft": LessonDraft(topic="money", rule=rule, cites=(0,)) if self.random.random() < 0.8 else None}

    def _make(self, spec: RunSpec) -> dict[str, Any]:
        sha = self.host.commit(f"by {spec.run_id}", spec.start_sha)
        return {"head_sha": sha, "summary": "I did it.", "answers": self._answer_threads(spec)}

    def _answer_threads(self, spec: RunSpec) -> tuple[ThreadAnswer, ...]:
        kinds: tuple[AnswerKind, ...] = ("done", "disagree", "need detail")
        found = (ThreadAnswer(thread=one.id, kind=self.random.choice(kinds)) for one in spec.threads)
        return tuple(answer for answer in found if self.calm or self.random.random() < 0.8)

    def _gate(self, spec: RunSpec) -> dict[str, Any]:
        if spec.start_sha in self.host.marked:
            return {"unresolved": ("a.py:1",)}
        broken = not self.calm and self.random.random() < 0.2
        named = [criterion for criterion in spec.contract.criteria if criterion.command]
        bent = not self.calm and self.random.random() < 0.1
        return {
            "evidence": tuple(
                Evidence(name=x.id, command=x.command, exit_code=int(broken), base=x.base) for x in named
            ),
            "tampering": (Tampering(kind="test_skipped", path="tests/test_login.py"),) if bent else (),
            "tree": self.random.choice(("", "t1", "t2", spec.start_sha)),
        }

    def _check(self, spec: RunSpec) -> dict[str, Any]:
        results = [CriterionResult(criterion=x.id, result="pass", evidence="seen") for x in spec.contract.criteria]
        unchanged = spec.start_sha == spec.workspace.base_sha and self.calm
        good = Verdict(head_sha=spec.start_sha, results=tuple(results), no_change_needed=unchanged)
        bad = (None, replace(good, head_sha="root"), replace(good, results=()))
        happy = self.calm or self.random.random() < 0.8
        return {"verdict": good if happy else self.random.choice(bad)}

    def _end(self, run: Run, **result: Any) -> str:
        spec = run.spec
        if spec.role == "maker" and result["outcome"] in {"done", "no_change"} and run.steering:
            self.memory.take_steering(run)
            return f"{spec.run_id} continues, since guidance arrived"
        about = {"event_id": f"{spec.run_id}:finished", "ticket_id": spec.ticket.id, "at": self.now()}
        who = {"run_id": spec.run_id, "generation": spec.generation, "usage": run.usage}
        self.memory.finish(run, run_finished(spec.role, **about, **who, **result))
        self.ledgers[spec.ticket.id].usage = self.ledgers[spec.ticket.id].usage.plus(run.usage)
        return f"{spec.run_id} ends: {result['outcome']}"
