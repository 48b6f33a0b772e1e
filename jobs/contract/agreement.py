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
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import Contract, Criterion

__all__ = [
    "Stated", "agree", "answered", "command_in", "contract_of", "criteria_in", "items_in", "may_start_alone",
    "own_contract", "proposed", "stated", "wanted_by",
]  # fmt: skip


@dataclass(frozen=True)
class Stated:
    """A ticket's own criteria; `left_out` is the number of those beyond `MAX_CRITERIA`."""

    criteria: tuple[ProposedCriterion, ...] = ()
    left_out: int = 0

    @property
    def complete(self) -> bool:
        """Whether the list can be a contract without the planner: each criterion names how it is checked."""
        return bool(self.criteria) and all(c.command or c.evidence for c in self.criteria) and not self.left_out

    def is_confirmed_by(self, proposal: Proposal | None) -> bool:
        """Whether the planner found that each criterion can be checked as it stands."""
        return (
            proposal is not None and _is_certain(proposal) and proposal.criteria == self.criteria and not self.left_out
        )


def stated(description: str) -> Stated:
    """The ticket's own criteria."""
    found = criteria_in(description)
    criteria = tuple(criterion_of(text) for text in found[:MAX_CRITERIA])
    return Stated(criteria, max(0, len(found) - MAX_CRITERIA))


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


def may_start_alone(proposal: Proposal, description: str, policy: RepositoryPolicy) -> bool:
    """Whether a proposal needs no person: the policy is `auto`, there are checks, it is certain, and it does not change
    a list of the ticket."""
    automatic = policy.loop.contract == "auto" and bool(policy.loop.checks)
    return automatic and _is_certain(proposal) and not criteria_in(description)


def _is_certain(proposal: Proposal) -> bool:
    return proposal.confidence != "low" and not proposal.questions and bool(proposal.criteria)


def agree(description: str, policy: RepositoryPolicy, proposal: Proposal | None) -> Contract | None:
    """The contract of the ticket's own list, or None without one that is complete or confirmed by the planner."""
    own = stated(description)
    return contract_of(own.criteria, policy) if own.complete or own.is_confirmed_by(proposal) else None


def own_contract(description: str, policy: RepositoryPolicy) -> Contract | None:
    """The contract of the ticket's own list as it stands; None without a list and for one that is too long."""
    own = stated(description)
    return contract_of(own.criteria, policy) if own.criteria and not own.left_out else None


def answered(text: str, ticket: Ticket, proposal: Proposal | None, policy: RepositoryPolicy) -> Contract | None:
    """The contract in a person's answer to Loopline's question, or None when it is guidance for the planner.

    'ok' takes the proposal, without one the ticket's list, without both its title; a list is the contract; changes are
    made to the proposal (see `jobs.contract.amendments`). Without a proposal any other text is one criterion."""
    if proposal is not None:
        wanted = amended(text, proposal)
    elif consents(text):
        wanted = stated(ticket.description).criteria or (criterion_of(ticket.title),)
    else:
        wanted = tuple(criterion_of(item) for item in _wanted_in(text))
    return contract_of(wanted[:MAX_CRITERIA], policy) if wanted else None


def _wanted_in(answer: str) -> Sequence[str]:
    return criteria_in(answer) or items_in(answer)
