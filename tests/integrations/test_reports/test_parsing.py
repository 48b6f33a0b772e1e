"""Report files and recorded outputs, also broken ones."""

from __future__ import annotations

from integrations.test_reports.parse import read_report

SUREFIRE = b"""<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="ATest" tests="4" errors="1" skipped="1" failures="1">
  <properties><property name="java.version" value="17"/></properties>
  <testcase name="good" classname="com.x.ATest" time="0.01"><system-out><![CDATA[noise]]></system-out></testcase>
  <testcase name="bad" classname="com.x.ATest" time="0.01"><failure message="no" type="E">at ...</failure></testcase>
  <testcase name="crash" classname="com.x.ATest" time="0"><error type="E"/></testcase>
  <testcase name="later" classname="com.x.ATest" time="0"><skipped message="later"/></testcase>
</testsuite>
"""
TRX = b"""<?xml version="1.0"?>
<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results>
<UnitTestResult testName="X.A.Good" outcome="Passed"/><UnitTestResult testName="X.A.Bad" outcome="Failed"/>
<UnitTestResult testName="X.A.Later" outcome="NotExecuted"/>
</Results></TestRun>"""
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><testsuite>&b;</testsuite>'
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&a;"/></testsuite>'
CARGO = """\
    Finished `test` profile [unoptimized + debuginfo] target(s) in 0.00s
     Running unittests src/lib.rs (target/debug/deps/x-0123456789abcdef)

running 3 tests
test tests::good ... ok
test tests::later ... ignored, slow
test tests::bad ... FAILED

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
   Doc-tests x
test src/lib.rs - add (line 3) ... ok
test src/lib.rs - add (line 9) ... FAILED
"""
NEXTEST = """\
    Starting 4 tests across 1 binary (1 skipped)
        PASS [   0.005s] (1/4) x tests::good
        PASS [   0.005s] x::outer good
        FAIL [   0.006s] (2/4) x tests::bad
     Summary [   0.011s] 3 tests run: 2 passed, 1 failed, 1 skipped
"""
TAP = """\
TAP version 13
# Subtest: group
    # Subtest: inner
    ok 1 - inner
      ---
      duration_ms: 0.1
      ...
    not ok 2 - wrong
    1..2
not ok 1 - group
ok 2 - later # SKIP not yet
not ok 3 - planned # TODO
ok 4 - timed # time=3ms
ok 5
1..5
"""


def test_junit_xml_gives_class_and_name() -> None:
    found = read_report({"target/surefire-reports/TEST-A.xml": SUREFIRE}, "")
    assert (found.passed, found.skipped) == (("com.x.ATest.good",), ("com.x.ATest.later",))
    assert found.failed == ("com.x.ATest.bad", "com.x.ATest.crash")


def test_half_written_xml_gives_what_was_complete() -> None:
    found = read_report({"a.xml": SUREFIRE[: SUREFIRE.index(b"<error")]}, "")
    assert (found.passed, found.failed) == (("com.x.ATest.good",), ("com.x.ATest.bad",))


def test_xml_with_entities_is_refused() -> None:
    assert not read_report({"a.xml": BOMB, "b.xml": OUTSIDE}, "").has_ids


def test_xml_of_any_depth_and_encoding_raises_nothing() -> None:
    deep = b"<a>" * 200_000
    strange = b'<?xml version="1.0" encoding="nonsense"?><a/>'
    odd = b'<testsuite><testcase/><testcase name="" time="x"/></testsuite>'
    assert not read_report({"a.xml": deep, "b.xml": strange, "c.xml": odd, "d.xml": b"<\xff\x00"}, "").has_ids


def test_trx_gives_the_names_of_tests() -> None:
    found = read_report({"TestResults/a.trx": TRX}, "")
    assert (found.passed, found.failed, found.skipped) == (("X.A.Good",), ("X.A.Bad",), ("X.A.Later",))


def test_cargo_output_gives_the_source_of_the_binary() -> None:
    found = read_report({}, CARGO)
    assert found.passed == ("src/lib.rs tests::good", "x (doc) src/lib.rs - add")
    assert found.failed == ("src/lib.rs tests::bad", "x (doc) src/lib.rs - add #2")
    assert found.skipped == ("src/lib.rs tests::later",)


def test_nextest_output_gives_the_binary() -> None:
    found = read_report({}, NEXTEST)
    assert (found.passed, found.failed) == (("x tests::good", "x::outer good"), ("x tests::bad",))


def test_tap_gives_the_parents_of_subtests() -> None:
    found = read_report({}, TAP)
    assert found.passed == ("group > inner", "timed", "#5")
    assert (found.failed, found.skipped) == (("group > wrong", "group"), ("later", "planned"))


def test_test_that_ran_twice_counts_by_its_last_result() -> None:
    lines = [b'{"source": "pytest", "id": "a", "result": "%s"}\n' % result for result in (b"failed", b"passed")]
    found = read_report({"1.jsonl": lines[0], "2.jsonl": lines[1]}, "")
    assert (found.passed, found.failed) == (("a",), ())


def test_go_events_that_are_broken_are_left_out() -> None:
    good = b'{"Action":"pass","Package":"p","Test":"TestA"}\n{"Action":"fail","Package":"q"}\n'
    broken = b'{"Action":[],"Package":"p"}\n3\n"x"\nFAIL\n{"Action":"pass","Package":"p","Te'
    found = read_report({"1.go": good + broken}, "")
    assert (found.passed, found.failed) == (("p.TestA",), ("q",))
