"""A criterion that an agent proposes. Values only."""

from __future__ import annotations

from integrations.values import value


@value
class ProposedCriterion:
    """A criterion as the planner proposes it: with a command that Loopline can run, or the kind of evidence that the
    checker has to find, one of `integrations.results.EvidenceKind`."""

    text: str
    command: str = ""
    evidence: str = ""
