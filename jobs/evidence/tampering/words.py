"""Values that the files of this folder share. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

IsTest = Callable[[str], bool]


@dataclass(frozen=True)
class Claim:
    """One assertion of a test, resolved. `context` is what has to hold for it to be reached, `steps` what the test did
    before it, `shown` how it is written."""

    text: str
    context: tuple[str, ...]
    steps: tuple[str, ...]
    line: int
    shown: str

    def kept_by(self, other: Claim) -> bool:
        """Whether the other one says the same in the same place, after at least the same steps."""
        same = self.text == other.text and self.context == other.context
        return same and is_subsequence(self.steps, other.steps)


@dataclass
class Case:
    """One test: its claims and steps in order, and the (line, text) of whatever makes it be skipped."""

    path: str
    name: str
    line: int = 0
    claims: list[Claim] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    skips: list[tuple[int, str]] = field(default_factory=list)
    constant: list[tuple[int, str]] = field(default_factory=list)
    """Assertions that always hold, as `assert True`."""

    @property
    def short(self) -> str:
        """The name without its class."""
        return self.name.rpartition(".")[2]

    def same_as(self, other: Case) -> bool:
        """Whether both say the same, under whatever name."""
        mine, theirs = ([(c.text, c.context) for c in one.claims] for one in (self, other))
        return mine == theirs and self.steps == other.steps


def is_subsequence(wanted: tuple[str, ...] | list[str], given: tuple[str, ...] | list[str]) -> bool:
    """Whether all of `wanted` is in `given`, in this order."""
    rest = iter(given)
    return all(any(one == other for other in rest) for one in wanted)
