"""Creates the contract (the frozen list of acceptance criteria) from the ticket's own list, the planner's proposal or a
person's answer. Pure; called by `jobs.workflow`. The repository's checks are in every contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from integrations.results import Proposal, ProposedCriterion
from integrations.values import Ticket
from jobs.contract.amendments import amend_proposal, is_consent
from jobs.contract.checks import build_checks
from jobs.contract.criteria import MAX_CRITERIA, find_criteria, find_items, find_may_change, parse_criterion
from jobs.contract.may_change import can_reach_protected, split_may_change
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import Contract, Criterion


@dataclass(frozen=True)
class TicketCriteria:
    """A ticket's own criteria; `left_out` is the number of those beyond `MAX_CRITERIA`; `may_change` are the path
    patterns of its line 'May change: …'."""

    criteria: tuple[ProposedCriterion, ...] = ()
    left_out: int = 0
    may_change: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the list can be a contract without the planner: each criterion has a command or kind of evidence."""
        return bool(self.criteria) and all(c.command or c.evidence for c in self.criteria) and not self.left_out

    def is_confirmed_by(self, proposal: Proposal | None) -> bool:
        """Whether the planner found that each criterion can be checked as it stands, and that the work changes no
        tests or configuration beyond what the ticket names."""
        if proposal is None or not _is_certain(proposal) or self.left_out:
            return False
        return proposal.criteria == self.criteria and set(proposal.may_change) <= set(self.may_change)


def read_ticket_criteria(description: str) -> TicketCriteria:
    found = find_criteria(description)
    criteria = tuple(parse_criterion(text) for text in found[:MAX_CRITERIA])
    return TicketCriteria(criteria, max(0, len(found) - MAX_CRITERIA), find_may_change(description))


def build_contract(
    criteria: Iterable[ProposedCriterion], policy: RepositoryPolicy, may_change: Sequence[str] = ()
) -> Contract:
    """The criteria as c1, c2, … and the repository's checks as k1, k2, …."""
    own = [
        Criterion(id=f"c{n}", text=c.text, command=c.command, evidence=c.evidence) for n, c in enumerate(criteria, 1)
    ]
    return Contract(criteria=(*own, *build_checks(policy)), may_change=tuple(may_change))


def needs_no_approval(proposal: Proposal, description: str, policy: RepositoryPolicy) -> bool:
    """Whether work can start without a person: the policy is `auto`, the repository has checks, and the proposal is
    certain, does not change a list of the ticket, and allows no change of CI or a protected path."""
    automatic = policy.loop.contract == "auto" and bool(policy.loop.checks)
    automatic = automatic and not can_reach_protected(proposal.may_change, policy.loop.protected)
    return automatic and _is_certain(proposal) and not find_criteria(description)


def _is_certain(proposal: Proposal) -> bool:
    return proposal.confidence != "low" and not proposal.questions and bool(proposal.criteria)


def agree(description: str, policy: RepositoryPolicy, proposal: Proposal | None) -> Contract | None:
    """The contract of the ticket's own list, None unless it is complete or confirmed by the planner."""
    own = read_ticket_criteria(description)
    agreed = own.is_complete or own.is_confirmed_by(proposal)
    return build_contract(own.criteria, policy, own.may_change) if agreed else None


def build_own_contract(description: str, policy: RepositoryPolicy) -> Contract | None:
    """The contract of the ticket's own list; None without a list or beyond `MAX_CRITERIA`."""
    own = read_ticket_criteria(description)
    return build_contract(own.criteria, policy, own.may_change) if own.criteria and not own.left_out else None


def read_answer(text: str, ticket: Ticket, proposal: Proposal | None, policy: RepositoryPolicy) -> Contract | None:
    """The contract in a person's answer to Loopline's question, None if it is guidance for the planner.

    'ok' accepts the proposal, without one the ticket's list, without both its title; a list is the contract; changes
    apply to the proposal (see `jobs.contract.amendments`). Without a proposal any other text is one criterion. A line
    'May change: …' replaces the paths of the proposal and the ticket; a list that replaces the proposal drops its."""
    rest, given = split_may_change(text)
    own = read_ticket_criteria(ticket.description)
    may_change = given if given is not None else own.may_change
    if proposal is not None:
        wanted = amend_proposal(rest, proposal) if rest.strip() else proposal.criteria
        if given is None and set(wanted or ()) & set(proposal.criteria):
            may_change = tuple(dict.fromkeys((*own.may_change, *proposal.may_change)))
    elif is_consent(rest) or not rest.strip():
        wanted = own.criteria or (parse_criterion(ticket.title),)
    else:
        wanted = tuple(parse_criterion(item) for item in find_criteria(rest) or find_items(rest))
    return build_contract(wanted[:MAX_CRITERIA], policy, may_change) if wanted else None
