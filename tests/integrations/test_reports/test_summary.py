"""The summary lines of test runners, as recorded from them."""

from __future__ import annotations

import pytest

from integrations.proof import TestCounts, TestReport
from integrations.test_reports.parse import read_report

# Runner, the end of its output, and passed, failed and skipped tests.
RECORDED = [
    ("pytest", "=========== 1 failed, 5 passed, 2 skipped, 1 xfailed, 3 warnings, 1 error in 0.12s ===========", (5, 2, 3)),
    ("pytest -q", "5 passed in 0.01s", (5, 0, 0)),
    ("pytest, slow", "==== 5 passed in 75.10s (0:01:15) ====", (5, 0, 0)),
    ("unittest", "Ran 3 tests in 0.000s\n\nOK", (3, 0, 0)),
    ("unittest", "Ran 7 tests in 0.001s\n\nFAILED (failures=1, errors=1, skipped=1, expected failures=1, unexpected successes=1)", (2, 3, 2)),
    ("jest", "Test Suites: 1 failed, 1 passed, 2 total\nTests:       1 failed, 1 skipped, 5 passed, 7 total\nSnapshots:   0 total", (5, 1, 1)),
    ("vitest", " Test Files  1 failed (1)\n      Tests  1 failed | 5 passed | 1 skipped (7)", (5, 1, 1)),
    ("node:test", "ℹ tests 4\nℹ suites 0\nℹ pass 2\nℹ fail 1\nℹ cancelled 0\nℹ skipped 1\nℹ todo 0", (2, 1, 1)),
    ("node:test, TAP", "# tests 4\n# suites 0\n# pass 2\n# fail 1\n# cancelled 0\n# skipped 1\n# todo 0", (2, 1, 1)),
    ("mocha", "  2 passing (5ms)\n  1 pending\n  1 failing\n", (2, 1, 1)),
    ("cargo test", "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n"
     "test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s", (4, 1, 2)),
    ("cargo nextest", "     Summary [   0.005s] 4 tests run: 3 passed, 1 failed, 1 skipped", (3, 1, 1)),
    ("Surefire", "[ERROR] Tests run: 4, Failures: 1, Errors: 0, Skipped: 1, Time elapsed: 0.04 s <<< FAILURE! - in ATest\n"
     "[ERROR] Tests run: 4, Failures: 1, Errors: 0, Skipped: 1", (2, 1, 1)),
    ("JUnit 4", "OK (3 tests)", (3, 0, 0)),
    ("JUnit 4", "Tests run: 3,  Failures: 1", (2, 1, 0)),
    ("JUnit console launcher", "[         4 tests found           ]\n[         1 tests skipped         ]\n[         3 tests started         ]\n"
     "[         0 tests aborted         ]\n[         2 tests successful      ]\n[         1 tests failed          ]", (2, 1, 1)),
    ("Gradle", "5 tests completed, 1 failed, 1 skipped", (3, 1, 1)),
    ("minitest", "5 runs, 4 assertions, 1 failures, 1 errors, 1 skips", (2, 2, 1)),
    ("test-unit", "5 tests, 4 assertions, 1 failures, 0 errors, 0 pendings, 1 omissions, 0 notifications", (3, 1, 1)),
    ("RSpec", "12 examples, 1 failure, 2 pending", (9, 1, 2)),
    ("RSpec", "\x1b[32m12 examples, 0 failures\x1b[0m", (12, 0, 0)),
    ("PHPUnit", "OK (3 tests, 3 assertions)", (3, 0, 0)),
    ("PHPUnit", "Tests: 5, Assertions: 4, Errors: 1, Failures: 1, Skipped: 1.", (2, 2, 1)),
    ("dotnet test", "Failed!  - Failed:     1, Passed:     2, Skipped:     1, Total:     4, Duration: 20 ms - a.dll (net8.0)", (2, 1, 1)),
    ("ExUnit", "3 doctests, 5 tests, 1 failure, 1 skipped", (6, 1, 1)),
    ("deno", "ok | 3 passed | 0 failed | 1 ignored (5ms)", (3, 0, 1)),
    ("XCTest", "\t Executed 3 tests, with 1 failure (0 unexpected) in 0.123 (0.124) seconds", (2, 1, 0)),
    ("CTest", "67% tests passed, 1 tests failed out of 3", (2, 1, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("runner", "output", "counts"), RECORDED)
def test_summary_line_gives_the_counts(runner: str, output: str, counts: tuple[int, int, int]) -> None:
    passed, failed, skipped = counts
    expected = TestReport(source="summary line", counts=TestCounts(passed=passed, failed=failed, skipped=skipped))
    assert read_report({}, f"something 3 passed by\n{output}\n") == expected


@pytest.mark.parametrize(
    "output", ["", "Compiled 3 files in 0.1s", "0 passed in 0.01s", "9" * 10_000, "3 tests needed"]
)
def test_other_output_gives_no_counts(output: str) -> None:
    assert read_report({}, output) == TestReport()


def test_broken_lines_of_a_reporter_are_left_out() -> None:
    good = b'{"source": "pytest", "id": "a", "result": "passed"}\n'
    broken = (
        b'{"source": 3, "id": []}\n[]\n{"source": "p", "id": "a\\ud800", "result": "failed"}\n\xff\n' + b"[" * 100_000
    )
    found = read_report({"a.jsonl": good + broken + b"\n" + good[:20]}, "")
    assert (found.passed, found.failed) == ((), ("a",))
