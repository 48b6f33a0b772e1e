"""JUnit XML and the .trx files of dotnet. Called by `parse`.

The files come from code under test: without document types, so without entities, and up to the first broken element.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse
from junitparser import Error, Failure, Skipped, TestCase

from integrations.test_reports.results import Outcome, TestResult

_TRX: dict[str, Outcome] = {
    "Passed": "passed", "Failed": "failed", "Error": "failed", "Timeout": "failed", "Aborted": "failed",
    "NotExecuted": "skipped", "Inconclusive": "skipped",
}  # fmt: skip


def read_xml(content: bytes) -> Iterator[TestResult]:
    """The test cases. Ids of JUnit XML are `class.name`, or the file instead of a missing class."""
    try:
        for _, element in iterparse(io.BytesIO(content), forbid_dtd=True):
            name = element.tag.rpartition("}")[2]
            if name == "testcase":
                yield from _read_case(element)
            elif name == "UnitTestResult" and element.get("outcome") in _TRX:
                yield TestResult("dotnet test", element.get("testName", ""), _TRX[element.get("outcome", "")])
            if name in ("testcase", "testsuite", "UnitTestResult"):
                element.clear()
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return


def _read_case(element: Element) -> Iterator[TestResult]:
    case: TestCase = TestCase.fromelem(element)  # type: ignore[no-untyped-call]
    owner = case.classname or element.get("class") or element.get("file")
    results = case.result or []
    outcome: Outcome = "passed"
    if any(isinstance(one, (Failure, Error)) for one in results):
        outcome = "failed"
    elif any(isinstance(one, Skipped) for one in results):
        outcome = "skipped"
    if case.name:
        yield TestResult("JUnit XML", ".".join(filter(None, (owner, case.name))), outcome)
