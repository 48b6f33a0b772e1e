"""Values shared by the modules of this package. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

IsTest = Callable[[str], bool]


@dataclass(frozen=True)
class Claim:
    """One assertion of a test, resolved. `context` are the conditions under which it is reached, `steps` the preceding
    statements, `shown` its source."""

    text: str
    context: tuple[str, ...]
    steps: tuple[str, ...]
    line: int
    shown: str

    def is_kept_by(self, other: Claim) -> bool:
        """Whether `other` asserts the same in the same context, after at least the same steps."""
        same = self.text == other.text and self.context == other.context
        return same and is_subsequence(self.steps, other.steps)


@dataclass
class Case:
    """One test: its claims and steps in order, and the (line, text) of everything that skips it."""

    path: str
    name: str
    line: int = 0
    claims: list[Claim] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    skips: list[tuple[int, str]] = field(default_factory=list)
    constant: list[tuple[int, str]] = field(default_factory=list)
    """Assertions that always hold, such as `assert True`."""

    @property
    def short(self) -> str:
        """The name without the class."""
        return self.name.rpartition(".")[2]

    def is_same_as(self, other: Case) -> bool:
        """Whether both tests assert the same; names are ignored."""
        mine, theirs = ([(c.text, c.context) for c in one.claims] for one in (self, other))
        return mine == theirs and self.steps == other.steps


def is_subsequence(wanted: tuple[str, ...] | list[str], given: tuple[str, ...] | list[str]) -> bool:
    """Whether `given` contains all of `wanted` in the same order."""
    rest = iter(given)
    return all(any(one == other for other in rest) for one in wanted)
