"""What Redis keeps: tickets, runs, money, circuit breaker, backoff, dead letters."""

from __future__ import annotations
