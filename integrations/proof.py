"""The proof of a candidate: what its checks report about single tests, and the experiments with them. Values only.

Made by `jobs.roles.gate`, judged by `jobs.evidence.proof`, shown by `jobs.messages`.
"""

from __future__ import annotations

import base64
import zlib
from typing import Literal

from integrations.values import Codec, value


@value
class TestCounts:
    """How many tests a command ran; `skipped` ones were not executed."""

    __test__ = False  # not a class of tests for pytest

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def executed(self) -> int:
        return self.passed + self.failed


@value
class TestReport:
    """What a command reported about its tests.

    `source` names the report, as 'pytest' or 'summary line'; empty without any. The ids are unique per command and the
    same in each run of it. `broken` are files and modules that could not be loaded, so that their tests are not known.
    A report from a summary line has counts only, and no ids."""

    __test__ = False

    source: str = ""
    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    counts: TestCounts = TestCounts()

    @property
    def has_ids(self) -> bool:
        return bool(self.passed or self.failed or self.skipped)


ExperimentKind = Literal[
    "old_tests", "new_tests", "broken_code", "false_expectations", "without_extras", "suppressions", "counts", "writes",
]  # fmt: skip
"""old_tests: the base commit with the change's product source only. new_tests: the base commit with its new and changed
tests only. broken_code: the candidate with changed product files that cannot be loaded. false_expectations: with
altered expected values in its new and changed tests. without_extras: without added or changed files that are neither
product source, tests nor documents. suppressions: without the suppression comments that it adds. counts: the number of
executed tests. writes: files of the repository that the command changed."""

ExperimentResult = Literal["held", "refuted", "asked", "unknown", "skipped"]
"""held: as with a real change. refuted: the check proves nothing, or fails; back to the maker. asked: a person has to
decide. unknown: it could not be told. skipped: not run."""


@value
class Experiment:
    """One variation of a criterion's command.

    `text` is one clause for people: what was found, or why it was skipped or unknown. `held` of `total` tests behaved
    as they should; both are 0 without a report. `names` are the first test ids or paths that `text` is about. `output`
    is the bounded output of the command."""

    criterion: str
    kind: ExperimentKind
    result: ExperimentResult
    text: str = ""
    held: int = 0
    total: int = 0
    names: tuple[str, ...] = ()
    output: str = ""
    seconds: float = 0.0


@value
class OwnTestFile:
    """A file of a checker's own test; `text` is bounded."""

    path: str
    text: str


@value
class CounterExample:
    """A checker's own test that fails with the candidate, twice, while its control passes.

    `shows` is one clause: with which input it fails, and what was expected. `output` is the bounded output of the
    command, which Loopline ran with these files added."""

    criterion: str
    command: str
    shows: str
    files: tuple[OwnTestFile, ...] = ()
    exit_code: int = 1
    output: str = ""


COUNTER_EXAMPLE: Codec[CounterExample] = Codec(CounterExample)


@value
class Measured:
    """One run of a command: on the base commit, on the candidate or in a variation.

    `limit` is the sentence about a limit that ended it; `output` is bounded; `writes` are the files of the commit that
    it changed."""

    exit_code: int
    report: TestReport = TestReport()
    output: str = ""
    seconds: float = 0.0
    limit: str = ""
    writes: tuple[str, ...] = ()


MEASURED: Codec[Measured] = Codec(Measured)


def pack(measured: Measured) -> str:
    """The run as compressed text: the ids of a large suite take a tenth of their size."""
    return base64.b85encode(zlib.compress(MEASURED.encode(measured).encode())).decode()


def unpack(text: str) -> Measured:
    """The inverse of `pack`. Raises `ValueError` for another text."""
    return MEASURED.decode(zlib.decompress(base64.b85decode(text)))


EXPERIMENT: Codec[Experiment] = Codec(Experiment)
