"""The reports of minitest and RSpec, with the real runners in a sandbox."""

from __future__ import annotations

import pytest

from tests.integrations.test_reports.conftest import Report

pytestmark = pytest.mark.long  # `infra/test` does not install these runners

MINITEST = """
require "minitest/autorun"
class TestA < Minitest::Test
  def test_good = assert(true)
  def test_bad = assert_equal(1, 2)
  def test_error = raise("x")
  def test_later = skip
end
"""
EXIT = """
require "minitest/autorun"
class TestA < Minitest::Test
  i_suck_and_my_tests_are_order_dependent!
  def test_a = assert(true)
  def test_b = exit!(0)
end
"""
RSPEC = """
RSpec.describe "A" do
  it("is good") { expect(1).to eq 1 }
  it("is bad") { expect(1).to eq 2 }
  it "comes later"
end
"""


def test_minitest_reports_each_test(report: Report) -> None:
    ran, found = report("ruby test/a_test.rb", {"test/a_test.rb": MINITEST})
    assert (ran.exit_code, found.source) == (1, "minitest"), ran.output
    assert found.passed == ("TestA#test_good",)
    assert set(found.failed) == {"TestA#test_bad", "TestA#test_error"}
    assert found.skipped == ("TestA#test_later",)
    assert b"4 runs, 2 assertions, 1 failures, 1 errors, 1 skips" in ran.output


def test_minitest_that_exits_early_reports_what_ran(report: Report) -> None:
    ran, found = report("ruby -w a_test.rb", {"a_test.rb": EXIT})
    assert (ran.exit_code, found.passed) == (0, ("TestA#test_a",))
    assert b"warning" not in ran.output


def test_rspec_reports_each_example(report: Report) -> None:
    ran, found = report("rspec --format progress", {"spec/a_spec.rb": RSPEC})
    assert (ran.exit_code, found.source) == (1, "rspec"), ran.output
    assert found.passed == ("./spec/a_spec.rb A is good",)
    assert found.failed == ("./spec/a_spec.rb A is bad",)
    assert found.skipped == ("./spec/a_spec.rb A comes later",)
    assert b"3 examples, 1 failure, 1 pending" in ran.output


def test_ruby_keeps_the_environments_own_options(report: Report) -> None:
    ran, found = report("ruby -e 'p OWN'", {"own.rb": "OWN = 1"}, variables={"RUBYOPT": "-r./own.rb"})
    assert (ran.exit_code, ran.output, found.source) == (0, b"1\n", "")
