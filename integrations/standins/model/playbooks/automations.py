"""The roles of automations: a finding for each failure, issue and advisory of the digest, compared by their titles."""

from __future__ import annotations

import re
from typing import Any

from integrations.standins.model.playbook import Answer, Playbook
from integrations.standins.model.request import Call, Request

_ITEM = re.compile(
    r"^- \[(?P<severity>\w+)\] (?P<key>(?:check|flaky|issue|advisory):.*?): (?P<title>.+)$", re.MULTILINE
)
_REGRESSION = re.compile(r"^- \[\w+\] (?P<key>commit:\S+): (?P<title>.*\bregress.*)$", re.MULTILINE | re.IGNORECASE)
_FINDING = re.compile(r"^(?P<name>[NK]\d+)(?: \(\w+\))?: (?P<title>.+)$", re.MULTILINE)
_PAIR = re.compile(r"^(?P<number>\d+)\. (?P<one>\w+) and (?P<other>\w+)$", re.MULTILINE)
_TERM = re.compile(r"[a-z]{4,}")
_MOST, _SHORTEST = 20, 5


def _find(request: Request) -> Answer:
    """A finding for each item; of commits for those that mention a regression."""
    digest = request.section("Source items")
    items = [(one["key"], one["title"], one["severity"]) for one in _ITEM.finditer(digest)]
    items += [(one["key"], one["title"], "normal") for one in _REGRESSION.finditer(digest)]
    findings = [_describe(*item) for item in items[:_MOST]]
    return Answer("I submit what the sources show.", (Call("submit_findings", {"findings": findings}),))


def _describe(key: str, title: str, severity: str) -> dict[str, Any]:
    return {
        "title": title.strip()[:140] if len(title.strip()) >= _SHORTEST else f"About {title.strip()}",
        "body": f"The source item {key[:200]} shows it. I am a stand-in for a model and have not looked closer.",
        "severity": severity,
        "cites": [{"key": key}],
        "criteria": [{"text": "a test shows that it is solved", "evidence": "test"}],
    }


def _compare(request: Request) -> Answer:
    """Two findings are the same if half of their titles' terms are."""
    texts = f"{request.section('New findings')}\n{request.section('Known findings')}"
    terms = {one["name"]: set(_TERM.findall(one["title"].lower())) for one in _FINDING.finditer(texts)}
    pairs = []
    for pair in _PAIR.finditer(request.section("Pairs")):
        one, other = terms.get(pair["one"], set()), terms.get(pair["other"], set())
        same = bool(one and other) and 2 * len(one & other) >= min(len(one), len(other))
        relation = "same" if same else "different"
        pairs.append({"pair": int(pair["number"]), "relation": relation, "reason": "by the terms of their titles"})
    return Answer("", (Call("submit_matches", {"pairs": pairs}),))


TRIAGE = Playbook("triage", matches=lambda request: request.role == "triage", answer=_find)
MATCHER = Playbook("matcher", matches=lambda request: request.role == "matcher", answer=_compare)
