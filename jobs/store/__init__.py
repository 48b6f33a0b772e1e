"""What Redis keeps: tickets, runs, ledgers, circuit breaker, dead letters."""

from __future__ import annotations
