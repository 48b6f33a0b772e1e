"""How much a run may use before it has to end. Values only; `jobs.store.ledger` counts, the operator's settings and the
repository's policy set them."""

from __future__ import annotations

from integrations.values import value


@value
class Caps:
    """Upper bounds; 0 means that none may be used. Money in US dollars, tokens are prompt and reply together, a day is
    a calendar day in UTC over all tickets. `wall_seconds` counts the time that slices were at work, `idle_seconds` how
    long the model may say nothing, `no_progress_usd` what may be spent without a change of the work."""

    run_usd: float = 5.0
    ticket_usd: float = 20.0
    day_usd: float = 100.0
    run_tokens: int = 30_000_000
    ticket_tokens: int = 100_000_000
    day_tokens: int = 500_000_000
    turns: int = 60
    wall_seconds: int = 2_700
    idle_seconds: int = 300
    no_progress_usd: float = 3.0
