"""The words that every part shares: people, tickets, money. Values only: nothing here acts or knows a provider."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value that survives a deployment: unknown keys of a newer release are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Person(Value):
    """Somebody who acts on a ticket or a pull request. `may_steer` is looked up, never taken from a payload."""

    id: str
    name: str = ""
    email: str = ""
    may_steer: bool = False
    is_us: bool = False


class Ticket(Value):
    """A ticket as the tracker shows it now. `column` is the workflow state's name, `cancelled` whether that state means
    it; `branch_name` is the tracker's suggestion."""

    id: str
    identifier: str
    title: str
    description: str = ""
    url: str = ""
    team: str = ""
    column: str = ""
    labels: tuple[str, ...] = ()
    branch_name: str = ""
    trashed: bool = False
    cancelled: bool = False


class Usage(Value):
    """Usage of the model calls so far. Money is in US dollars, by the prices of the runner's provider."""

    model_calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    cache_misses: int = 0
    """Calls that paid again for a prompt which the call before had put into the cache."""
    cache_miss_reason: str = ""
    """Why, for the last of them, in the provider's word; empty where nobody knows."""

    def plus(self, other: Usage) -> Usage:
        """The sum of both."""
        return Usage(
            model_calls=self.model_calls + other.model_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=round(self.cost_usd + other.cost_usd, 6),
            cache_misses=self.cache_misses + other.cache_misses,
            cache_miss_reason=(other if other.cache_misses else self).cache_miss_reason,
        )
