"""The morning digest of a team. Values only: built by `jobs.workflow.digest`, stored by `jobs.store.digests`."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from integrations.values import Codec, value

Risk = Literal["high", "medium", "low"]


@value
class MergedLine:
    """A pull request that was merged at `at`, Unix seconds. `lines` are those added and removed."""

    identifier: str
    number: int
    url: str
    lines: int
    reviewed: bool
    at: float
    title: str = ""


@value
class WaitingLine:
    """A ticket that waits for a person, since `since` (Unix seconds). Only a review has a pull request and minutes to
    read it."""

    identifier: str
    title: str
    url: str
    what: Literal["review", "answer", "decision"]
    since: float
    risk: Risk = "medium"
    reason: str = ""
    number: int = 0
    pull_request: str = ""
    lines: int = 0
    minutes: int = 0


@value
class FoundLine:
    """A finding that an automation filed."""

    identifier: str
    title: str
    severity: str
    automation: str


@value
class ProblemLine:
    """An open problem of the triage inbox."""

    identifier: str
    title: str
    url: str


@value
class Digest:
    """What happened since the last one, and what waits at `until`, Unix seconds, the most pressing first. `began` is
    the time of the last one for people."""

    team: str
    began: str
    until: float
    merged: tuple[MergedLine, ...] = ()
    waiting: tuple[WaitingLine, ...] = ()
    found: tuple[FoundLine, ...] = ()
    problems: tuple[ProblemLine, ...] = ()
    spent_usd: float = 0.0
    unreviewed_lines: int = 0
    """Merged without a review in the last seven days."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to report. Merged lines without a review alone are no news."""
        return not (self.merged or self.waiting or self.found or self.problems or self.spent_usd >= 0.005)


@value
class DigestRecord:
    """The last digest of a team: its slot, when it was built, and what it has counted: costs in US dollars by ticket,
    or by automation and day, and the URLs of merged pull requests."""

    slot: float
    until: float
    costs: dict[str, float] = field(default_factory=dict)
    merged: tuple[str, ...] = ()


DIGEST_RECORD: Codec[DigestRecord] = Codec(DigestRecord)
