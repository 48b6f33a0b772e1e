"""The contract: the frozen list of acceptance criteria. Values only; part of `jobs.loop.state`."""

from __future__ import annotations

import hashlib

from pydantic_core import to_json

from integrations.results import BaseState
from integrations.values import NO_COMMIT, CommitSha, value


@value
class Criterion:
    """One acceptance criterion. Loopline runs its `command` itself; without one the checker needs evidence, of the kind
    that `evidence` names if it is set ('file and line', 'command output').

    A repository check with a `base` state has it on the base commit too. One that fails there is run and reported, but
    the work does not have to fix it. `since` is the commit that a person's request was about."""

    id: str
    text: str
    command: str = ""
    evidence: str = ""
    base: BaseState = ""
    since: CommitSha = NO_COMMIT


@value
class Contract:
    """The acceptance criteria, frozen when work starts; an edit of the ticket's list raises `version`.

    `may_change` are path patterns of existing tests, snapshots, CI and configuration files that the ticket asks to
    change, proposed by the planner."""

    criteria: tuple[Criterion, ...]
    version: int = 1
    may_change: tuple[str, ...] = ()

    @property
    def required(self) -> tuple[Criterion, ...]:
        """The criteria that the work has to meet: all but the checks that fail on the base commit."""
        return tuple(criterion for criterion in self.criteria if criterion.base != "failing")

    def list_unchanged(self, head_sha: CommitSha) -> tuple[Criterion, ...]:
        """The requests of people for which no commit was made: they were about this very commit."""
        return tuple(criterion for criterion in self.criteria if criterion.since and criterion.since == head_sha)

    @property
    def digest(self) -> str:
        """The first 12 hex digits of its SHA-256: shown to people, kept in the board memory. The `base` state is in the
        text too; `may_change` counts only if it is not empty, so that the digests of older releases stay."""
        names = ("id", "text", "command", "evidence")
        criteria = [{name: getattr(criterion, name) for name in names} for criterion in self.criteria]
        more = {"may_change": self.may_change} if self.may_change else {}
        return hashlib.sha256(to_json({"criteria": criteria, **more})).hexdigest()[:12]
