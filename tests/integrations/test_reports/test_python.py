"""The reports of pytest and unittest, with the real runners in a sandbox."""

from __future__ import annotations

from integrations.proof import TestCounts
from integrations.sandbox.bubblewrap import CommandResult
from tests.integrations.test_reports.conftest import PACKAGES, Report, TestReport

PYTEST = {
    "tests/test_a.py": """
import os, subprocess, sys, pytest, unittest
def test_good(): pass
def test_bad(): assert 1 == 2
@pytest.mark.skip
def test_later(): pass
@pytest.mark.xfail
def test_known(): assert False
@pytest.mark.parametrize("x", [object(), "é"], ids=repr)
def test_many(x): pass
@pytest.fixture
def broken(): raise OSError
def test_set_up(broken): pass
@pytest.fixture
def leaking():
    yield
    raise OSError
def test_torn_down(leaking): pass
class TestOld(unittest.TestCase):
    def test_method(self): pass
    def test_parts(self):
        with self.subTest(): self.fail()
def test_inner():
    with open("inner.py", "w") as file: file.write("def test_inside(): assert 0")
    assert subprocess.run([sys.executable, "-m", "pytest", "inner.py"]).returncode == 1
""",
    "tests/test_broken.py": "import nothing_like_this\n",
}
PASSED = ("test_good", "test_many[<object object at 0x…>]", "test_many['\\xe9']", "TestOld::test_method", "test_inner")
FAILED = ("test_bad", "test_set_up", "test_torn_down", "TestOld::test_parts")
VARIABLES = {"PYTHONPATH": str(PACKAGES), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
UNITTEST = """
import unittest
class TestA(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1, 2)
    def test_error(self): raise OSError
    @unittest.skip("later")
    def test_later(self): pass
    @unittest.expectedFailure
    def test_known(self): self.fail()
    @unittest.expectedFailure
    def test_surprise(self): pass
    def test_parts(self):
        for number in range(3):
            with self.subTest(number=number): self.assertEqual(number, 1)
if __name__ == "__main__":
    unittest.main()
"""


def run_pytest(report: Report, options: str = "", files: dict[str, str] = PYTEST) -> tuple[CommandResult, TestReport]:
    command = f"python3 -m pytest -p no:cacheprovider {options}"
    return report(command, files, variables=VARIABLES, read_only=[PACKAGES])


def test_pytest_reports_each_test(report: Report) -> None:
    ran, found = run_pytest(report, "--continue-on-collection-errors")
    assert ran.exit_code == 1
    assert found.source == "pytest"
    assert set(found.passed) == {f"tests/test_a.py::{name}" for name in PASSED}
    assert set(found.failed) == {f"tests/test_a.py::{name}" for name in FAILED}
    assert found.broken == ("tests/test_broken.py",)
    assert set(found.skipped) == {"tests/test_a.py::test_later", "tests/test_a.py::test_known"}
    assert found.counts == TestCounts(passed=5, failed=4, skipped=2)


def test_pytest_with_workers_reports_the_same(report: Report) -> None:
    files = {f"test_{name}.py": "def test_good(): pass\ndef test_bad(): assert 0\n" for name in "ab"}
    _, found = run_pytest(report, "-n 2 -p xdist", files)
    assert set(found.passed) == {"test_a.py::test_good", "test_b.py::test_good"}
    assert set(found.failed) == {"test_a.py::test_bad", "test_b.py::test_bad"}


def test_pytest_that_crashes_reports_what_ran(report: Report) -> None:
    files = {"test_a.py": "import os\ndef test_good(): pass\ndef test_end(): os._exit(0)\n"}
    ran, found = run_pytest(report, "-W error", files)
    assert (ran.exit_code, found.passed) == (0, ("test_a.py::test_good",))


def test_pytest_behind_make_keeps_output_and_exit_code(report: Report) -> None:
    files = {"Makefile": "test:\n\t@sh -c 'exec python3 -m pytest -q -p no:cacheprovider test_a.py'\n",
             "test_a.py": "def test_good(): pass\ndef test_bad(): assert 0\n"}  # fmt: skip
    ran, found = report("make test", files, variables=VARIABLES, read_only=[PACKAGES])
    assert (ran.exit_code, found.passed, found.failed) == (2, ("test_a.py::test_good",), ("test_a.py::test_bad",))
    assert b"1 failed, 1 passed in" in ran.output


def test_unittest_reports_each_test(report: Report) -> None:
    files = {"tests/__init__.py": "", "tests/test_a.py": UNITTEST, "tests/test_broken.py": "import nothing_here\n"}
    ran, found = report("python3 -m unittest", files)
    assert (ran.exit_code, found.source) == (1, "unittest")
    assert found.passed == ("tests.test_a.TestA.test_good",)
    names = ("bad", "error", "parts", "surprise")
    assert set(found.failed) == {f"tests.test_a.TestA.test_{name}" for name in names}
    assert found.broken == ("unittest.loader._FailedTest.tests.test_broken",)
    assert set(found.skipped) == {"tests.test_a.TestA.test_later", "tests.test_a.TestA.test_known"}


def test_unittest_of_a_script_names_the_file(report: Report) -> None:
    _, found = report("cd tests && python3 -W error test_a.py", {"tests/test_a.py": UNITTEST})
    assert found.passed == ("test_a.py.TestA.test_good",)


def test_python_keeps_the_environments_own_start_file(report: Report) -> None:
    files = {"own/sitecustomize.py": "import os\nos.environ['OWN'] = 'kept'\n",
             "test_a.py": "import os, unittest\nclass T(unittest.TestCase):\n"
                          "    def test_own(self): self.assertEqual(os.environ['OWN'], 'kept')\n"}  # fmt: skip
    ran, found = report("python3 -m unittest", files, variables={"PYTHONPATH": "own"})
    assert (ran.exit_code, found.passed) == (0, ("test_a.T.test_own",)), ran.output


def test_python_that_runs_no_tests_reports_nothing(report: Report) -> None:
    ran, found = report("python3 -c 'import unittest, sys; print(sys.path[0])'; exit 3")
    assert (ran.exit_code, ran.output, found) == (3, b"\n", TestReport())
