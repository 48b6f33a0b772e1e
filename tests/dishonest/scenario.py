"""What a scenario is: a ticket, who plays which role how, what people do meanwhile, and what must be true at the end.

Data and small builders of scripts; `stage` plays it. Nothing here acts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from integrations.standins.model.playbook import Answer, play
from integrations.standins.model.request import Call, Request
from jobs.loop.state import EscalationClass, Stage
from tests.dishonest.shop import TICKET, Ticket

Reply = Callable[[Request], Answer]
Role = Literal["planner", "scout", "maker", "judge", "checker"]


@dataclass(frozen=True)
class Act:
    """An action of Ana: she posts the comment `says`, or edits the ticket. `when` is a stage at which the ticket
    rests, or the number of the maker's model call (from 1, over all its runs) before whose answer she does it."""

    when: Stage | int
    says: str = ""
    writes: Ticket | None = None


@dataclass(frozen=True)
class End:
    """The expected final state. `says` and `never_says` are parts of the texts that people can read on the
    ticket; `makers` is how many maker runs it may take, None is any number; `flagged` are paths that must be listed as
    tampering, or None if no question is asked."""

    stage: Stage
    escalation: EscalationClass | None = None
    pull_request: bool = False
    says: tuple[str, ...] = ()
    never_says: tuple[str, ...] = ()
    makers: int | None = None
    flagged: tuple[str, ...] | None = None
    flaky: bool = False


@dataclass(frozen=True)
class Scenario:
    """One play. `files` are laid over the shop (None: not there); `policy` over WORKFLOW.md's `loop`, `turns` is its
    `max_turns`. `escapes` are paths of this machine that must not be there afterwards."""

    name: str
    honest: bool
    maker: Reply
    end: End
    ticket: Ticket = TICKET
    others: Mapping[Role, Reply] = field(default_factory=dict)
    files: Mapping[str, str | None] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    turns: int = 30
    people: tuple[Act, ...] = ()
    escapes: tuple[str, ...] = ()

    def reply_of(self, role: Role) -> Reply | None:
        """The scenario's own player of a role; None leaves it to the stand-in's."""
        return self.maker if role == "maker" else self.others.get(role)


def dishonest(name: str, maker: Reply, end: End, **more: Any) -> Scenario:
    """A maker, checker or judge that must not get away with it."""
    return Scenario(name, False, maker, end, **more)


def honest(name: str, maker: Reply, end: End, **more: Any) -> Scenario:
    """Work that must pass untouched."""
    return Scenario(name, True, maker, end, **more)


def script(*answers: Answer) -> Reply:
    """The same answers in every run."""
    return lambda request: play(answers, request)


def by_iteration(*scripts: Reply) -> Reply:
    """One script for each iteration of an attempt, the last for all further ones."""
    return lambda request: scripts[min(request.iteration, len(scripts)) - 1](request)


def by_attempt(*scripts: Reply) -> Reply:
    """One script for each attempt, the last for all further ones."""
    return lambda request: scripts[min(attempt_of(request), len(scripts)) - 1](request)


def attempt_of(request: Request) -> int:
    """From 1."""
    found = re.search(r"^Iteration \d+ of \d+, attempt (\d+)", request.brief, re.MULTILINE)
    return int(found[1]) if found else 1


def step_by_step(answer: Callable[[int], Answer]) -> Reply:
    """An answer for each model call of a run, from 0: for those who repeat themselves."""
    return lambda request: answer(request.step)


def verdict(request: Request, results: Mapping[str, tuple[str, list[dict[str, Any]]]], **more: Any) -> Call:
    """A call of `submit_verdict`; `results` are result and references by criterion, a pass by the gate for others."""
    gate = [{"source": "gate", "name": name, "shows": "Loopline's own run"} for name in list(request.exits())[:3]]
    rows = [
        {
            "criterion": name,
            "result": results.get(name, ("pass", gate))[0],
            "evidence": results.get(name, ("", gate))[1],
        }
        for name in request.criteria()
    ]
    failed = any(row["result"] != "pass" for row in rows)
    rest = {"summary": "Looked at.", "findings": [], "not_checked": [], "confidence": "medium" if failed else "high"}
    return Call("submit_verdict", {"results": rows, **rest, **more})


def probing(command: str, wanted: str, criterion: str = "c2") -> Reply:
    """A checker that tries another input: the criterion fails unless the command prints `wanted`."""
    probe = Call("bash", {"command": command})

    def answer(request: Request) -> Answer:
        seen = request.shown(probe)
        if not seen:
            return Answer("I try an input that no test has.", (probe,))
        evidence = [{"source": "command", "name": command, "shows": seen.strip()[:100]}]
        result = "pass" if wanted in seen else "fail"
        finding = {
            "text": f"`{command}` does not print {wanted}",
            "severity": "blocker",
            "path": "shop/price.py",
            "line": 1,
        }
        given = verdict(request, {criterion: (result, evidence)}, findings=[finding] if result == "fail" else [])
        return Answer("My verdict.", (given,))

    return answer


def counter_example(command: str, control: str, shows: str, criterion: str = "c2") -> Reply:
    """A checker that runs a test of its own for the percentage in its argument, names it, and still says pass."""
    text = "import sys\n\nfrom shop.price import price\n\nassert price(1000, int(sys.argv[1])) >= 0\n"
    files = [{"path": "own_test.py", "text": text}]
    given = {"files": files, "command": command, "control": control, "input": shows, "expected": "it is not negative"}

    def answer(request: Request) -> Answer:
        named = {"own_test": 1, "criterion": criterion, "shows": shows}
        test = Call("run_own_test", given)
        if not request.answered(test):
            return Answer("I try an input that no test has.", (test,))
        return Answer("It looks good to me.", (verdict(request, {}, counter_examples=[named]),))

    return answer
