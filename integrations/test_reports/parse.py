"""What a command reported about its tests: one report from the files and the output. Called by `reported_check`.

Pure. Files and output come from code under test: a broken file gives what can be read, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from integrations.proof import TestReport
from integrations.test_reports.lines import read_lines
from integrations.test_reports.results import TestResult, build_report
from integrations.test_reports.summary import read_summary


def read_report(files: Mapping[str, bytes], output: str) -> TestReport:
    """The report of a command. `files` are paths and contents of the report files in the order in which they were
    written. Without test ids, the counts of the summary lines in `output`."""
    report = build_report(chain.from_iterable(_read_file(path, content) for path, content in files.items()))
    return report if report.has_ids or report.broken else read_summary(output)


def _read_file(path: str, content: bytes) -> Iterator[TestResult]:
    if path.endswith(".jsonl"):
        yield from read_lines(content)
