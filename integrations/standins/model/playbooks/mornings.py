"""The roles of an automation on the repository `parcels`, and the maker on the finding that a person accepts."""

from __future__ import annotations

import re
from typing import Any

from integrations.standins.model.playbook import Answer, Playbook, play
from integrations.standins.model.playbooks.projects import Fix
from integrations.standins.model.request import Call, Request

_ITEM = re.compile(r"^- \[\w+\] (?P<key>(?P<kind>\w+):\S.*?): (?P<title>.+)$", re.MULTILINE)
_PAIR = re.compile(r"^(?P<number>\d+)\. (?P<first>\w+) and (?P<second>\w+)$", re.MULTILINE)
_PRICED = re.compile(r"^(?P<name>\w+): .*(?:lighter step|step below)", re.MULTILINE)
RATES = "parcels/rates.py"
RED = "CI is red: parcels just above a step get the price of the lighter step"
COMMIT = "A commit rounds weights, so parcels above a step get the price of the step below"
DOLLARS = ("Show the price in dollars too", "A customer wants to read prices in another currency than euros")
RUN_RATES = "python3 -m unittest tests.test_rates -q"


def _find(request: Request) -> Answer:
    """One finding for each failing check, for the commit about weights, and for each issue; the issues in other words
    once they are known."""
    items = request.section("Source items")
    findings = [found for item in _ITEM.finditer(items) if (found := _build(item, request))]
    text = f"{len(findings)} of the items are worth a ticket."
    return play((Answer(text, (Call("submit_findings", {"findings": findings}),)),), request)


def _build(item: re.Match[str], request: Request) -> dict[str, Any] | None:
    cites = [{"key": item["key"]}]
    tests = {"text": "the tests of the rates pass", "command": RUN_RATES}
    if item["kind"] == "check":
        return {
            "title": RED,
            "body": f"A parcel of 10.4 kg costs 9.50 instead of 16.90, because `{RATES}` rounds the weight.",
            "severity": "high",
            "cites": cites,
            "paths": [RATES],
            "criteria": [tests],
            "runs": [{"command": RUN_RATES, "exit_code": 1}],
        }
    if item["kind"] == "commit" and "weights" in item["title"]:
        return {
            "title": COMMIT,
            "body": f"The commit rounds the weight in `{RATES}` before it is compared with the steps.",
            "severity": "normal",
            "cites": cites,
            "paths": [RATES],
            "criteria": [tests],
        }
    if item["kind"] == "issue":
        shown = {"text": "the program prints the price in dollars too", "evidence": "command output"}
        return {
            "title": DOLLARS[bool(request.section("Known findings"))],
            "body": "The issue asks for the price in dollars beside that in euros.",
            "severity": "low",
            "cites": cites,
            "paths": ["README.md"],
            "criteria": [shown],
        }
    return None


def _match(request: Request) -> Answer:
    """Two findings about the price of a step are the same."""
    priced = set(_PRICED.findall(request.brief))
    pairs = [
        {
            "pair": int(pair["number"]),
            "relation": "same" if {pair["first"], pair["second"]} <= priced else "different",
            "reason": "Both are about the weight that is rounded.",
        }
        for pair in _PAIR.finditer(request.section("Pairs"))
    ]
    return play((Answer("I compared them.", (Call("submit_matches", {"pairs": pairs}),)),), request)


PLAYBOOKS = (
    Playbook("prices", lambda request: request.role == "triage" and "changed a price" in request.brief, _find),
    Playbook("same price", lambda request: request.role == "matcher" and bool(_PRICED.search(request.brief)), _match),
    Fix(
        title=RED,
        path=RATES,
        old="if round(kilograms) <= most:",
        new="if kilograms <= most:",
        test="tests/test_steps.py",
        run="python3 -m unittest tests.test_steps -q && python3 -m unittest discover -q",
    ).playbook(),
)
