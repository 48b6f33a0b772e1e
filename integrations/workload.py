"""Work of other tickets in the same repository, as far as it decides whether a ticket starts. Values only."""

from __future__ import annotations

from integrations.values import Identifier, TicketId, value


@value
class Overlap:
    """Another ticket that edits the same files; `paths` are those files."""

    ticket: TicketId
    identifier: Identifier
    paths: tuple[str, ...]


@value
class OpenReview:
    """A verified pull request that waits for people, since that time (Unix seconds)."""

    ticket: TicketId
    identifier: Identifier
    url: str = ""
    since: float = 0.0


@value
class ReviewLoad:
    """The pull requests of one repository at one moment, the one that waits longest first.

    `unreviewed_lines` were merged in the last seven days without a review by a person. `at_work` are the new tickets
    without a pull request that agents work on, `held_before` the number of those that wait for this reason and were
    handed over earlier."""

    reviews: tuple[OpenReview, ...] = ()
    unreviewed_lines: int = 0
    at_work: tuple[TicketId, ...] = ()
    held_before: int = 0
