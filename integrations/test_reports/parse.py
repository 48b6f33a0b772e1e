"""What a command reported about its tests: one report from the files and the output. Called by `reported_check`.

Pure. Files and output come from code under test: a broken file gives what can be read, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from integrations.proof import TestReport
from integrations.test_reports.go_events import read_go_events
from integrations.test_reports.lines import read_lines
from integrations.test_reports.results import TestResult, build_report
from integrations.test_reports.summary import read_summary
from integrations.test_reports.texts import read_cargo, read_tap
from integrations.test_reports.xml_files import read_xml


def read_report(files: Mapping[str, bytes], output: str) -> TestReport:
    """The report of a command. `files` are paths and contents of the report files in the order in which they were
    written. Without test ids, the counts of the summary lines in `output`.

    Ids start with the test's file, class or package, as far as the runner has it."""
    found = [result for path, content in files.items() for result in _read_file(path, content)]
    found += read_cargo(output)
    report = build_report(found or read_tap(output))
    return report if report.has_ids or report.broken else read_summary(output)


def _read_file(path: str, content: bytes) -> Iterator[TestResult]:
    if path.endswith(".jsonl"):
        return read_lines(content)
    if path.endswith(".go"):
        return read_go_events(content)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return read_xml(content)
    return read_tap(content.decode(errors="replace"))
