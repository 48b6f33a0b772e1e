"""The reports of cargo, PHPUnit, JUnit's console launcher and unknown runners, with the real ones in a sandbox."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integrations.test_reports.conftest import Report

pytestmark = pytest.mark.long  # `infra/test` does not install these runners

CONSOLE = "/usr/share/java/junit-platform-console-standalone.jar"
CARGO = {
    "Cargo.toml": '[package]\nname = "x"\nversion = "0.1.0"\nedition = "2021"\n',
    "src/lib.rs": """
/// ```
/// assert_eq!(x::add(1, 2), 3);
/// ```
pub fn add(a: i32, b: i32) -> i32 { a + b }
#[cfg(test)] mod tests {
    #[test] fn good() { println!("test fake ... ok"); }
    #[test] fn bad() { assert_eq!(1, 2); }
    #[test] #[ignore] fn later() {}
    #[test] #[should_panic] fn panics() { panic!(); }
}
""",
    "tests/outer.rs": "#[test] fn good() {}\n",
}
PHP = """<?php
use PHPUnit\\Framework\\TestCase;
final class ATest extends TestCase {
    public function testGood(): void { $this->assertTrue(true); }
    public function testBad(): void { $this->assertSame(1, 2); }
    public function testLater(): void { $this->markTestSkipped(); }
}
"""
JAVA = """
import static org.junit.jupiter.api.Assertions.*;
import org.junit.jupiter.api.*;
class ATest {
    @Test void good() {}
    @Test void bad() { assertEquals(1, 2); }
    @Test @Disabled void later() {}
}
"""
needs = {tool: pytest.mark.skipif(shutil.which(tool) is None, reason=f"no {tool}") for tool in ("phpunit", "javac")}


@pytest.mark.skipif(not Path("/usr/bin/cargo").exists(), reason="no cargo that the sandbox can run")
def test_cargo_reports_each_test(report: Report) -> None:
    ran, found = report("cargo test --offline --no-fail-fast", CARGO, timeout=100)
    assert ran.exit_code == 101, ran.output
    assert set(found.passed) == {
        "src/lib.rs tests::good", "src/lib.rs tests::panics", "tests/outer.rs good", "x (doc) src/lib.rs - add",
    }  # fmt: skip
    assert (found.failed, found.skipped) == (("src/lib.rs tests::bad",), ("src/lib.rs tests::later",))


@needs["phpunit"]
def test_phpunit_reports_each_test(report: Report) -> None:
    ran, found = report("phpunit ATest.php", {"ATest.php": PHP}, read_only=[Path("/etc/php")])
    assert ran.exit_code == 1, ran.output
    assert (found.passed, found.failed) == (("ATest.testGood",), ("ATest.testBad",)), ran.output
    assert found.skipped == ("ATest.testLater",)


@needs["javac"]
@pytest.mark.skipif(not Path(CONSOLE).exists(), reason="no console launcher of JUnit")
def test_junit_console_launcher_reports_each_test(report: Report) -> None:
    command = f"javac -cp {CONSOLE} -d out ATest.java && java -jar {CONSOLE} --class-path out --scan-class-path"
    ran, found = report(command, {"ATest.java": JAVA}, timeout=100)
    assert ran.exit_code == 1, ran.output
    assert (found.passed, found.failed, found.skipped) == (("ATest.good()",), ("ATest.bad()",), ("ATest.later()",))


def test_unknown_runner_is_read_from_the_policys_files(report: Report) -> None:
    xml = '<testsuite><testcase classname="a.B" name="c"/><testcase classname="a.B" name="d"><failure/></testcase>'
    files = {
        "run.sh": f"mkdir out; echo '{xml}' > out/r.xml; echo '1..1\nok 1 - x' > out/r.tap; echo '1..1' > other.tap"
    }
    _, found = report("sh run.sh", files, patterns=["out/*.xml", "*.tap"])
    assert (set(found.passed), found.failed) == ({"a.B.c", "x"}, ("a.B.d",))


def test_report_file_of_an_earlier_run_is_not_read(report: Report) -> None:
    files = {"target/surefire-reports/TEST-A.xml": '<testsuite><testcase classname="A" name="old"/></testsuite>'}
    _, found = report("sleep 0.05; true", files)
    assert not found.has_ids


def test_tool_that_is_not_installed_stays_unknown(report: Report) -> None:
    ran, _ = report("PATH=/nowhere; command -v go java; echo $?")
    assert ran.output == b"1\n"
