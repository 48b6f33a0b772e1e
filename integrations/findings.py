"""Findings of automations, and the source items they are made from. Values only; all texts are from outside."""

from __future__ import annotations

from typing import Literal

from integrations.proposals import ProposedCriterion
from integrations.values import Codec, value

Severity = Literal["urgent", "high", "normal", "low"]
ItemKind = Literal[
    "check", "flaky", "issue", "pull_request", "commit", "release", "ticket", "advisory", "command", "tool"
]


@value
class SourceItem:
    """One thing that a source found.

    `key` is the same at every run and for every wording, as 'check:ci/test/Run tests'. `signature` is a digest of the
    normalized evidence: another one means that the evidence changed; empty where the evidence could not be read.
    `summary` is for the digest, `detail` is bounded and shown on request. `at` is ISO 8601; `severity` orders the
    digest."""

    key: str
    kind: ItemKind
    title: str
    url: str = ""
    at: str = ""
    summary: str = ""
    detail: str = ""
    signature: str = ""
    severity: Severity = "normal"


SOURCE_ITEM: Codec[SourceItem] = Codec(SourceItem)


@value
class EvidenceRun:
    """A command that Loopline ran for a finding. `output` is its bounded end."""

    command: str
    exit_code: int
    output: str = ""


@value
class ProposedFinding:
    """A finding as the triage role proposes it, checked by Loopline.

    `items` are the keys of the source items that it cites, of which the first decides `fingerprint`; `evidence` is a
    digest of their signatures; `runs` are commands that Loopline ran itself; `links` are the items' URLs."""

    title: str
    body: str
    severity: Severity = "normal"
    items: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    criteria: tuple[ProposedCriterion, ...] = ()
    runs: tuple[EvidenceRun, ...] = ()
    links: tuple[str, ...] = ()
    fingerprint: str = ""
    evidence: str = ""


@value
class Found:
    """Result of a triage run."""

    kind: Literal["triage"] = "triage"
    findings: tuple[ProposedFinding, ...] = ()
    problems: tuple[str, ...] = ()
    """Sources and commands that could not be read or run, one sentence each."""


@value
class Match:
    """The matcher's judgement: the proposed finding `fingerprint` is the same as `known`, or related to it."""

    fingerprint: str
    known: str
    relation: Literal["same", "related"] = "same"
    reason: str = ""


@value
class Matched:
    """Result of a matcher's run. Findings without an entry are new."""

    kind: Literal["matcher"] = "matcher"
    matches: tuple[Match, ...] = ()
