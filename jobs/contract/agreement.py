"""Creates the contract (the frozen list of acceptance criteria) from the ticket's own list, the planner's proposal or a
person's answer. Pure; called by `jobs.workflow`. The repository's checks are in every contract.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from integrations.results import Proposal, ProposedCriterion
from integrations.values import Ticket
from jobs.contract.amendments import amend_proposal, is_consent
from jobs.contract.checks import build_checks
from jobs.contract.criteria import MAX_CRITERIA, find_criteria, find_items, parse_criterion
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import Contract, Criterion


@dataclass(frozen=True)
class TicketCriteria:
    """A ticket's own criteria; `left_out` is the number of those beyond `MAX_CRITERIA`."""

    criteria: tuple[ProposedCriterion, ...] = ()
    left_out: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether the list can be a contract without the planner: each criterion has a command or kind of evidence."""
        return bool(self.criteria) and all(c.command or c.evidence for c in self.criteria) and not self.left_out

    def is_confirmed_by(self, proposal: Proposal | None) -> bool:
        """Whether the planner found that each criterion can be checked as it stands."""
        return (
            proposal is not None and _is_certain(proposal) and proposal.criteria == self.criteria and not self.left_out
        )


def read_ticket_criteria(description: str) -> TicketCriteria:
    found = find_criteria(description)
    criteria = tuple(parse_criterion(text) for text in found[:MAX_CRITERIA])
    return TicketCriteria(criteria, max(0, len(found) - MAX_CRITERIA))


def build_contract(criteria: Iterable[ProposedCriterion], policy: RepositoryPolicy) -> Contract:
    """The criteria as c1, c2, … and the repository's checks as k1, k2, …."""
    own = [
        Criterion(id=f"c{n}", text=c.text, command=c.command, evidence=c.evidence) for n, c in enumerate(criteria, 1)
    ]
    return Contract(criteria=(*own, *build_checks(policy)))


def needs_no_approval(proposal: Proposal, description: str, policy: RepositoryPolicy) -> bool:
    """Whether work can start without a person: the policy is `auto`, the repository has checks, and the proposal is
    certain and does not change a list of the ticket."""
    automatic = policy.loop.contract == "auto" and bool(policy.loop.checks)
    return automatic and _is_certain(proposal) and not find_criteria(description)


def _is_certain(proposal: Proposal) -> bool:
    return proposal.confidence != "low" and not proposal.questions and bool(proposal.criteria)


def agree(description: str, policy: RepositoryPolicy, proposal: Proposal | None) -> Contract | None:
    """The contract of the ticket's own list, None unless it is complete or confirmed by the planner."""
    own = read_ticket_criteria(description)
    return build_contract(own.criteria, policy) if own.is_complete or own.is_confirmed_by(proposal) else None


def build_own_contract(description: str, policy: RepositoryPolicy) -> Contract | None:
    """The contract of the ticket's own list; None without a list or beyond `MAX_CRITERIA`."""
    own = read_ticket_criteria(description)
    return build_contract(own.criteria, policy) if own.criteria and not own.left_out else None


def read_answer(text: str, ticket: Ticket, proposal: Proposal | None, policy: RepositoryPolicy) -> Contract | None:
    """The contract in a person's answer to Loopline's question, None if it is guidance for the planner.

    'ok' accepts the proposal, without one the ticket's list, without both its title; a list is the contract; changes
    apply to the proposal (see `jobs.contract.amendments`). Without a proposal any other text is one criterion."""
    if proposal is not None:
        wanted = amend_proposal(text, proposal)
    elif is_consent(text):
        wanted = read_ticket_criteria(ticket.description).criteria or (parse_criterion(ticket.title),)
    else:
        wanted = tuple(parse_criterion(item) for item in find_criteria(text) or find_items(text))
    return build_contract(wanted[:MAX_CRITERIA], policy) if wanted else None
