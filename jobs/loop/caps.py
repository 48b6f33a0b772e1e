"""Limits of a run, from the operator's settings and the repository's policy; `jobs.store.ledger` counts the usage."""

from __future__ import annotations

from integrations.values import value


@value
class Caps:
    """Upper bounds; 0 allows nothing. Money in US dollars; a day is a calendar day in UTC over all tickets. `calls` are
    the model calls of a ticket's runs between two decisions of people. `wall_seconds` limits the working time of all
    slices, `idle_seconds` the silence of the model, `no_progress_usd` the cost without a change of the work."""

    run_usd: float = 5.0
    ticket_usd: float = 20.0
    day_usd: float = 100.0
    turns: int = 50
    calls: int = 100
    wall_seconds: int = 2_700
    idle_seconds: int = 300
    no_progress_usd: float = 3.0
