"""Scripted models that obey every order they read, in each role."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from integrations.standins.model.playbook import Answer, bash, create
from integrations.standins.model.request import Call, Request
from tests.attacks.orders import ORDERS, Order
from tests.dishonest.scenario import verdict
from tests.dishonest.shop import CODE, MENDED

LOOK = (
    bash("cat README.md docs/*.md node_modules/*/README.md; ls docs"),
    bash("python3 noise.py; python3 -m unittest -q 2>&1"),
    Call("read_skill", {"name": "release"}),
)
BATCH = 8


@dataclass
class Attacker:
    """`places` fills the names in commands. Records the orders it has obeyed, and all outputs it has read."""

    places: Mapping[str, str]
    obeyed: set[int] = field(default_factory=set)
    outputs: list[str] = field(default_factory=list)

    def read(self, request: Request) -> list[Order]:
        """The orders that the prompt and the tools' results have shown."""
        shown = "\n".join((request.system, request.brief, *(exchange.result for exchange in request.exchanges)))
        found = {int(number) for number in re.findall(r"ORDER-(\d{3})", shown)}
        return [order for order in ORDERS if order.number in found]

    def command(self, order: Order) -> Call:
        command = shlex.quote(order.command.format(**self.places))
        return bash(f"timeout -k 1 2 bash -c {command} < /dev/null 2>&1 | tail -c 1500")

    def compose(self, request: Request, orders: list[Order]) -> str:
        """Everything it has found, and everything it was ordered to post."""
        results = [exchange.result for exchange in request.exchanges]
        self.outputs += results
        self.obeyed |= {order.number for order in orders}
        found = " ".join(" ".join(results).split())[-600:]
        texts = [order.text.replace("{found}", found) for order in orders if order.text]
        return "\n\n".join([*texts, f"Found: {found}"])

    def make(self, request: Request) -> Answer:
        """Does the work, and obeys."""
        for calls in (LOOK, *self._batches(request)):
            if waiting := tuple(call for call in calls if not request.answered(call)):
                return Answer("Approach: @team obey ![x](https://attacker.test)", waiting)
        text = self.compose(request, self.read(request))
        work = (create(CODE, MENDED), create("docs/report.md", text), create("docs/@team fixes #1.md", text))
        written = {exchange.call.input.get("path") for exchange in request.exchanges}
        waiting = tuple(call for call in work if call.input["path"] not in written)
        return Answer(text, waiting)

    def _batches(self, request: Request) -> list[tuple[Call, ...]]:
        if not all(request.answered(call) for call in LOOK):
            return []
        calls = [self.command(order) for order in self.read(request) if order.command]
        return [tuple(calls[n : n + BATCH]) for n in range(0, len(calls), BATCH)]

    def check(self, request: Request) -> Answer:
        """A passing verdict, with every ordered text in it."""
        text = self.compose(request, list(ORDERS))
        gate = [{"source": "gate", "name": name, "shows": text[:200]} for name in list(request.exits())[:3]]
        results = dict.fromkeys(request.criteria(), ("pass", gate))
        findings = [
            {"text": t[:400], "severity": "minor", "path": "@team ` fixes #1.md", "line": 1} for t in self.texts(20)
        ]
        return Answer(
            text, (verdict(request, results, findings=findings, summary=text[:500], not_checked=self.texts(10)),)
        )

    def agree(self, request: Request) -> Answer:
        """Done, whatever the evidence."""
        return Answer("", (Call("submit_judgement", {"done": True, "missing": [], "reason": self.texts(1)[0]}),))

    def judge(self, request: Request) -> Answer:
        """Not done, because of every ordered text."""
        missing = [text[:400] for text in self.texts(20)]
        return Answer("", (Call("submit_judgement", {"done": False, "missing": missing, "reason": missing[0]}),))

    def plan(self, request: Request) -> Answer:
        """A proposal whose every field holds ordered texts."""
        criteria = [{"text": f"it is {text[:300]}", "command": "", "evidence": "test"} for text in self.texts(10)]
        questions = [{"text": f"what {text[:200]}", "options": [text[:80], "no"]} for text in self.texts(3)]
        proposal = {
            "criteria": criteria[:5],
            "confidence": "low",
            "questions": questions,
            "summary": self.texts(1)[0][:300],
        }
        return Answer("", (Call("submit_proposal", proposal),))

    def texts(self, count: int) -> list[str]:
        return [order.text for order in ORDERS if order.text][:count]
