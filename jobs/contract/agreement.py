"""From words to the frozen list of criteria: the ticket's own, the planner's, a person's. Pure; called by
`jobs.workflow`. The repository's checks are in every contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from integrations.results import Proposal, ProposedCriterion
from integrations.values import Ticket
from jobs.contract.amendments import amended, consents
from jobs.contract.criteria import MAX_CRITERIA, criteria_in, items_in
from jobs.contract.criterion_text import command_in, criterion_of
from jobs.contract.vague import uncheckable
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import Contract, Criterion

__all__ = [
    "Stated", "agree", "answered", "command_in", "contract_of", "criteria_in", "items_in", "may_start_alone",
    "proposed", "stated", "wanted_by",
]  # fmt: skip


@dataclass(frozen=True)
class Stated:
    """What a ticket itself says done means. `vague` are those of its criteria that nobody can check; `left_out` is how
    many there are beyond `MAX_CRITERIA`."""

    criteria: tuple[ProposedCriterion, ...] = ()
    vague: tuple[str, ...] = ()
    left_out: int = 0

    @property
    def complete(self) -> bool:
        """Whether it can be worked on as it is: there are criteria, all of them are taken, all can be checked."""
        return bool(self.criteria) and not self.vague and not self.left_out


def stated(description: str) -> Stated:
    """The ticket's own criteria."""
    found = criteria_in(description)
    criteria = tuple(criterion_of(text) for text in found[:MAX_CRITERIA])
    vague = tuple(c.text for c in criteria if not c.command and uncheckable(c.text))
    return Stated(criteria, vague, max(0, len(found) - MAX_CRITERIA))


def wanted_by(description: str) -> list[str]:
    """The ticket's own finish line, to see whether an edit has changed it."""
    return criteria_in(description)[:MAX_CRITERIA]


def contract_of(criteria: Iterable[ProposedCriterion], policy: RepositoryPolicy, version: int = 1) -> Contract:
    """These criteria as c1, c2, … and the repository's checks as k1, k2, …. `version` is raised by the caller when the
    ticket's words changed."""
    own = [
        Criterion(id=f"c{n}", text=c.text, command=c.command, evidence=c.evidence) for n, c in enumerate(criteria, 1)
    ]
    checks = [
        Criterion(id=f"k{n}", text=f"{check.name} (repository check)", command=check.run)
        for n, check in enumerate(policy.loop.checks, 1)
    ]
    return Contract(criteria=(*own, *checks), version=version)


def proposed(proposal: Proposal, policy: RepositoryPolicy, version: int = 1) -> Contract:
    """The planner's contract as it stands, once a person or the policy has agreed."""
    return contract_of(proposal.criteria, policy, version)


def may_start_alone(proposal: Proposal, policy: RepositoryPolicy) -> bool:
    """Whether nobody needs to be asked: the policy says `auto`, there are checks, and nothing is doubtful."""
    certain = proposal.confidence != "low" and not proposal.questions and bool(proposal.criteria)
    return policy.loop.contract == "auto" and bool(policy.loop.checks) and certain


def agree(description: str, policy: RepositoryPolicy) -> Contract | None:
    """The contract that the ticket's own words give, or None when one must be proposed: there is no finish line, or
    not all of it can be checked."""
    found = stated(description)
    return contract_of(found.criteria, policy) if found.complete else None


def answered(text: str, ticket: Ticket, proposal: Proposal | None, policy: RepositoryPolicy) -> Contract | None:
    """The contract in a person's answer to our question, or None when its words are for the planner.

    'ok' takes the proposal, or without one the ticket's title; a list is the contract; changes are made to the
    proposal (see `jobs.contract.amendments`). Without a proposal other words are one criterion."""
    if proposal is not None:
        wanted = amended(text, proposal)
    elif consents(text):
        wanted = (criterion_of(ticket.title),)
    else:
        wanted = tuple(criterion_of(item) for item in _wanted_in(text))
    return contract_of(wanted[:MAX_CRITERIA], policy) if wanted else None


def _wanted_in(answer: str) -> Sequence[str]:
    return criteria_in(answer) or items_in(answer)
