"""The reports of `go test`, with the real Go in a sandbox."""

from __future__ import annotations

import pytest

from tests.integrations.test_reports.conftest import Report

pytestmark = pytest.mark.long  # `infra/test` does not install these runners

GO = {
    "go.mod": "module example.com/x\ngo 1.19\n",
    "a_test.go": """package x
import ("fmt"; "testing")
func TestGood(t *testing.T) { fmt.Println("noise"); t.Log("quiet") }
func TestBad(t *testing.T) {
    fmt.Println("loud \\"<é>\\"")
    t.Run("sub one", func(t *testing.T) { t.Errorf("no <%d>\\t\\"x\\" \\\\", 1) })
    t.Run("fine", func(t *testing.T) {})
}
func TestLater(t *testing.T) { t.Skip("later") }
""",
    "sub/b_test.go": 'package sub\nimport "testing"\nfunc TestGood(t *testing.T) {}\n',
    "broken/c_test.go": "package broken\nfunc TestGood() { undefined() }\n",
}
PLAIN = """loud "<é>"
    a_test.go:6: no <1>\t"x" \\
--- FAIL: TestBad (0.00s)
    --- FAIL: TestBad/sub_one (0.00s)
FAIL
FAIL\texample.com/x\t
ok  \texample.com/x/sub\t
"""
VARIABLES = {"GOFLAGS": "-count=1", "GOCACHE": "/tmp/go-cache"}


def test_go_reports_subtests(report: Report) -> None:
    ran, found = report("go test ./...", GO, variables=VARIABLES)
    assert (ran.exit_code, found.source) == (1, "go test"), ran.output
    names = ("TestGood", "TestBad/fine")
    assert set(found.passed) == {*(f"example.com/x.{name}" for name in names), "example.com/x/sub.TestGood"}
    assert set(found.failed) == {"example.com/x.TestBad", "example.com/x.TestBad/sub_one", "example.com/x/broken"}
    assert found.skipped == ("example.com/x.TestLater",)


def test_go_prints_what_it_prints_without_a_report(report: Report) -> None:
    files = {path: content for path, content in GO.items() if "broken" not in path}
    ran, _ = report("set -o pipefail; go test -p 1 ./... | sed -E 's/0\\.[0-9]+s$//'", files, variables=VARIABLES)
    assert (ran.exit_code, ran.output.decode()) == (1, PLAIN)


def test_go_with_json_prints_the_events(report: Report) -> None:
    files = {path: content for path, content in GO.items() if path in ("go.mod", "sub/b_test.go")}
    ran, found = report("go test -json ./sub", files, variables=VARIABLES)
    assert (ran.exit_code, found.passed) == (0, ("example.com/x/sub.TestGood",))
    assert all(line.startswith(b"{") for line in ran.output.splitlines())


def test_go_runs_other_commands_unchanged(report: Report) -> None:
    ran, found = report("go vet ./sub && go list ./sub; which -a go | wc -l", GO, variables=VARIABLES)
    assert b"example.com/x/sub" in ran.output
    assert not found.source
