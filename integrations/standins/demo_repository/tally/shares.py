"""Divides an amount of cents among people."""

from collections.abc import Mapping, Sequence


def split(cents: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Everybody's part of `cents`."""
    if len(set(weights.values())) == 1:
        return split_equally(cents, list(weights))
    return split_by_weight(cents, weights)


def split_equally(cents: int, names: Sequence[str]) -> dict[str, int]:
    """The same part for everybody."""
    return {name: cents // len(names) for name in names}


def split_by_weight(cents: int, weights: Mapping[str, int]) -> dict[str, int]:
    """A part for each of the weights."""
    total = sum(weights.values())
    return {name: cents * weight // total for name, weight in weights.items()}
