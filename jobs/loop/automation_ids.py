"""Ids of the mailboxes of repositories' automations, which are used like those of tickets."""

from __future__ import annotations

from integrations.values import TicketId

PREFIX = "automations:"


def automations_id(repository: str) -> TicketId:
    """The mailbox of a repository's automations."""
    return TicketId(f"{PREFIX}{repository}")


def is_automations(ticket_id: str) -> bool:
    """Whether this is the mailbox of a repository's automations."""
    return ticket_id.startswith(PREFIX)


def repository_of(mailbox: str) -> str:
    """The repository of a mailbox."""
    return mailbox.removeprefix(PREFIX)
