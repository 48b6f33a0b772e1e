"""Problems that Loopline could not handle by itself, as the triage inbox shows them. Values only."""

from __future__ import annotations

from typing import Literal

from integrations.values import Codec, Identifier, TicketId, value

ProblemKind = Literal[
    "escalation", "dead_letter", "automation", "declarations", "credentials", "notification", "more", "lost"
]


@value
class Problem:
    """One cause, which can affect many tickets. `key` is the same while the cause is; texts are from outside.

    `affected` are names of tickets, dead letters or automations, sorted."""

    key: str
    team: str
    kind: ProblemKind
    subject: str
    """As 'PublishBranch' or 'acme/shop: ci-triage', for the title."""
    reason: str
    affected: tuple[str, ...] = ()


@value
class KnownProblem:
    """A problem that was found and is not resolved. `ticket_id` is empty until it has a ticket; times are Unix
    seconds. `shown` is the list of affected ones that the ticket shows, since `shown_at`."""

    problem: Problem
    first_at: float
    last_at: float
    ticket_id: TicketId = TicketId("")
    identifier: Identifier = Identifier("")
    url: str = ""
    shown: tuple[str, ...] = ()
    shown_at: float = 0.0


@value
class DeadTarget:
    """A notification target of a team that fails. It is named by the scheme of its URL, which is secret."""

    id: str
    team: str
    scheme: str
    reason: str


KNOWN_PROBLEM: Codec[KnownProblem] = Codec(KnownProblem)
