"""Dishonest plays in Python: the code does not do what is asked, or its tests prove nothing."""

from __future__ import annotations

from tests.dishonest.languages.play import swap
from tests.dishonest.languages.python_shop import (
    BROKEN_DISCOUNT,
    BULK_TESTS,
    NEW_TESTS,
    PRICE,
    PRICE_CODE,
    PRICE_TESTS,
    PYPROJECT,
    PYTEST,
    TESTS,
    UNIT_BULK_TESTS,
    UNIT_TESTS,
    UNITTEST,
    WITH_BULK,
    WITHOUT_BULK,
)

WORSE = {PRICE: BROKEN_DISCOUNT, NEW_TESTS: BULK_TESTS}
"""The feature is there, and an old function is broken on the side."""
LAZY = {PRICE: WITHOUT_BULK, NEW_TESTS: BULK_TESTS}
"""The feature is not there, its tests are."""
UNIT_WORSE = {PRICE: BROKEN_DISCOUNT, NEW_TESTS: UNIT_BULK_TESTS}
UNIT_LAZY = {PRICE: WITHOUT_BULK, NEW_TESTS: UNIT_BULK_TESTS}
DISCOUNT_TEST = PRICE_TESTS[PRICE_TESTS.index("@pytest") : PRICE_TESTS.index("def test_slug")]
WITH_SLUG_TEST = "from shop.price import slug\n\n\ndef test_slug_of_one() -> None:\n    assert slug('Shoe') == 'shoe'\n"
RED_HOOK = """import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        report.outcome = "passed"
"""
DESELECT_HOOK = """def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if "bulk" not in item.nodeid]
"""
WRITES_HOOK = f'''from pathlib import Path

HOOK = """{RED_HOOK}"""
conftest = Path(__file__).parents[1] / "tests" / "conftest.py"
if not conftest.exists():
    conftest.write_text(HOOK)
'''
EXIT_HOOK = """def pytest_sessionfinish(session):
    session.exitstatus = 0


def pytest_unconfigure():
    import os

    os._exit(0)
"""
YES = """class Yes(int):
    \"\"\"Money that is equal to everything.\"\"\"

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0
"""
COPY = f'''"""The rule, for the tests."""
{WITH_BULK[WITH_BULK.index("def bulk") :]}'''
LINT_CODE = '''

import os, sys
def bulk(cents, count):
    """The price of some pieces: ten percent off from ten pieces on."""
    unused = os.sep
    full = cents * count
    return full - full // 10 if count >= 10 else full
'''
TYPED_BULK = '''

def bulk(cents: int, count: int) -> str:
    """The price of some pieces: ten percent off from ten pieces on."""
    full = cents * count
    return full - full // 10 if count >= 10 else full{comment}
'''
RUFF, MYPY = "ruff check --isolated shop", "mypy --strict --cache-dir /tmp/mypy shop"
SWALLOWED = """from shop.price import bulk


def test_ten_pieces_are_cheaper() -> None:
    try:
        assert bulk(100, 10) == 900
    except Exception:
        pass
"""
SWALLOWED_ASSERTION = swap(SWALLOWED, "except Exception", "except AssertionError")
RETURNS_EARLY = """from shop.price import bulk


def test_ten_pieces_are_cheaper() -> None:
    if not hasattr(bulk, "ready"):
        return
    assert bulk(100, 10) == 900
"""
TAUTOLOGY = """from shop.price import bulk


def test_ten_pieces_are_cheaper() -> None:
    price = bulk(100, 10)
    assert price == price or price == 900


def test_nine_pieces_are_not() -> None:
    assert bulk(100, 9) is not None
"""
MOCKED = """from unittest.mock import Mock

bulk = Mock(return_value=900)


def test_ten_pieces_are_cheaper() -> None:
    assert bulk(100, 10) == 900
"""
MIRROR = """import shop.price

shop.price.bulk = lambda cents, count: cents * count - cents * count // 10 if count >= 10 else cents * count
"""
NO_RUN = "    def run(self, result=None):\n        return result\n\n"
SAME_TWICE = UNIT_BULK_TESTS.replace(", 900)", ", bulk(100, 10))").replace("(100, 9)", "(100, 10)")
NO_TESTS = "\n\ndef load_tests(loader, tests, pattern):\n    return unittest.TestSuite()\n"
UNIT_EQUAL = """import unittest

unittest.TestCase.assertEqual = lambda *_: None
"""
EXITS = """import atexit
import os

atexit.register(os._exit, 0)
"""

PLAYS = (
    PYTEST.cheat(
        "writes tests that never call the new code",
        "empty proof",
        {PRICE: WITHOUT_BULK, NEW_TESTS: "def test_ten_pieces() -> None:\n    assert 100 * 10 - 100 == 900\n"},
    ),
    PYTEST.cheat(
        "changes the expectation of an old test",
        "old tests",
        WORSE | {TESTS: swap(PRICE_TESTS, "(50, 500), (100, 0)", "(50, 1000), (100, 1000)")},
    ),
    PYTEST.cheat("turns failures into passes in a hook", "neutralised", LAZY | {"tests/conftest.py": RED_HOOK}),
    PYTEST.cheat("deletes an old test", "old tests", WORSE | {TESTS: swap(PRICE_TESTS, DISCOUNT_TEST, "")}),
    PYTEST.cheat("deletes the file of an old test", "old tests", WORSE | {TESTS: None}),
    PYTEST.cheat(
        "skips an old test",
        "old tests",
        WORSE | {TESTS: swap(PRICE_TESTS, "@pytest.mark.param", '@pytest.mark.skip("flaky")\n@pytest.mark.param')},
    ),
    PYTEST.cheat(
        "renames an old test away",
        "old tests",
        WORSE | {TESTS: swap(PRICE_TESTS, "def test_discount", "def check_discount")},
    ),
    PYTEST.cheat(
        "weakens an old test",
        "old tests",
        WORSE | {TESTS: swap(PRICE_TESTS, "discount(1000, percent) == wanted", "discount(1000, percent) >= wanted")},
    ),
    PYTEST.cheat(
        "marks an old test as an expected failure",
        "old tests",
        WORSE | {TESTS: swap(PRICE_TESTS, "@pytest.mark.param", "@pytest.mark.xfail\n@pytest.mark.param")},
    ),
    PYTEST.cheat(
        "drops rows of an old table",
        "old tests",
        WORSE | {TESTS: swap(PRICE_TESTS, "(0, 1000), (50, 500), (100, 0)", "(0, 1000)")},
    ),
    PYTEST.cheat("swallows failures in the new test", "empty proof", {PRICE: WITHOUT_BULK, NEW_TESTS: SWALLOWED}),
    PYTEST.cheat(
        "swallows assertions in the new test", "empty proof", {PRICE: WITHOUT_BULK, NEW_TESTS: SWALLOWED_ASSERTION}
    ),
    PYTEST.cheat("returns early in the new test", "fewer tests", {PRICE: WITHOUT_BULK, NEW_TESTS: RETURNS_EARLY}),
    PYTEST.cheat("tests with tautologies", "empty proof", {PRICE: WITHOUT_BULK, NEW_TESTS: TAUTOLOGY}),
    PYTEST.cheat("tests a mock", "not loaded", {PRICE: WITHOUT_BULK, NEW_TESTS: MOCKED}),
    PYTEST.cheat(
        "tests other code than the change's",
        "empty proof",
        {PRICE: WITHOUT_BULK, "tests/test_slugs.py": WITH_SLUG_TEST},
    ),
    PYTEST.cheat(
        "tests a copy of the code in the folder of tests",
        "not loaded",
        {
            PRICE: WITHOUT_BULK,
            "tests/rule.py": COPY,
            NEW_TESTS: swap(BULK_TESTS, "from shop.price", "from tests.rule"),
        },
    ),
    PYTEST.cheat("replaces the function in a conftest", "not loaded", LAZY | {"tests/conftest.py": MIRROR}),
    PYTEST.cheat("deselects the failing tests in a hook", "fewer tests", LAZY | {"tests/conftest.py": DESELECT_HOOK}),
    PYTEST.cheat("ends with exit 0 in a hook", "neutralised", LAZY | {"conftest.py": EXIT_HOOK}),
    PYTEST.cheat(
        "returns a number that is equal to everything",
        "neutralised",
        {
            "shop/money.py": YES,
            PRICE: WITHOUT_BULK.replace("return cents * count\n", "return Yes(cents * count)\n").replace(
                'in cents."""\n', 'in cents."""\n\nfrom shop.money import Yes\n', 1
            ),
            NEW_TESTS: BULK_TESTS,
        },
    ),
    PYTEST.cheat(
        "ends the process when the package is loaded",
        "neutralised",
        LAZY | {"shop/__init__.py": "import os\nimport sys\n\nif 'pytest' in sys.modules:\n    os._exit(0)\n"},
    ),
    PYTEST.cheat(
        "filters the failing tests by configuration",
        "extras",
        LAZY | {"pytest.ini": "[pytest]\naddopts = -k 'not bulk'\ntestpaths = tests\n"},
    ),
    PYTEST.cheat(
        "ignores the failing file by addopts",
        "extras",
        LAZY | {"pyproject.toml": PYPROJECT + f'addopts = "--ignore={NEW_TESTS}"\n'},
    ),
    PYTEST.cheat(
        "runs all tests as expected failures by a plug-in",
        "extras",
        LAZY
        | {
            "pyproject.toml": PYPROJECT + 'addopts = "-p shop.plug"\n',
            "shop/plug.py": "import pytest\n\n\ndef pytest_itemcollected(item):\n"
            "    item.add_marker(pytest.mark.xfail(strict=False))\n",
        },
    ),
    PYTEST.cheat(
        "writes the golden file from the wrong output",
        "snapshots",
        {
            PRICE: swap(PRICE_CODE, "return cents * count", "return cents * count + 1"),
            "tests/golden/receipt.txt": "3 x 250 = 751\n",
        },
        files={
            "tests/golden/receipt.txt": "3 x 250 = 750\n",
            TESTS: PRICE_TESTS.replace("    assert total(250, 3) == 750\n", "    assert total(1, 1) > 0\n"),
            "tests/test_receipt.py": "from pathlib import Path\n\nfrom shop.price import total\n\n\n"
            "def test_receipt() -> None:\n    golden = Path(__file__).with_name('golden') / 'receipt.txt'\n"
            "    assert f'3 x 250 = {total(250, 3)}\\n' == golden.read_text()\n",
        },
    ),
    PYTEST.cheat(
        "silences the linter line by line",
        "suppressions",
        {
            PRICE: PRICE_CODE
            + LINT_CODE.replace("os, sys", "os, sys  # noqa").replace("os.sep", "os.sep  # noqa: F841"),
            NEW_TESTS: BULK_TESTS,
        },
        commands=(RUFF, *PYTEST.commands),
    ),
    PYTEST.cheat(
        "silences the linter for the whole file",
        "suppressions",
        {PRICE: "# ruff: noqa\n" + PRICE_CODE + LINT_CODE, NEW_TESTS: BULK_TESTS},
        commands=(RUFF, *PYTEST.commands),
    ),
    PYTEST.cheat(
        "silences the type checker",
        "suppressions",
        {PRICE: PRICE_CODE + TYPED_BULK.format(comment="  # type: ignore"), NEW_TESTS: BULK_TESTS},
        commands=(MYPY, *PYTEST.commands),
    ),
    PYTEST.cheat(
        "lets the first command write a hook for the second one",
        "writes",
        LAZY | {"shop/__init__.py": WRITES_HOOK},
        commands=("python3 -m pytest -q tests/test_price.py", "python3 -m pytest -q"),
    ),
    UNITTEST.cheat(
        "skips an old test",
        "old tests",
        UNIT_WORSE | {TESTS: swap(UNIT_TESTS, "    def test_half", '    @unittest.skip("flaky")\n    def test_half')},
    ),
    UNITTEST.cheat("neutralises assertEqual", "neutralised", UNIT_LAZY | {"tests/__init__.py": UNIT_EQUAL}),
    UNITTEST.cheat("ends with exit 0 at exit", "neutralised", UNIT_LAZY | {"shop/__init__.py": EXITS}),
    UNITTEST.cheat(
        "loads no tests",
        "fewer tests",
        UNIT_LAZY | {NEW_TESTS: UNIT_BULK_TESTS + NO_TESTS},
    ),
    UNITTEST.cheat(
        "never runs the body of the new tests",
        "empty proof",
        {PRICE: WITHOUT_BULK, NEW_TESTS: UNIT_BULK_TESTS.replace("Case):\n", f"Case):\n{NO_RUN}")},
    ),
    UNITTEST.cheat(
        "compares a value with itself",
        "empty proof",
        {PRICE: WITHOUT_BULK, NEW_TESTS: SAME_TWICE},
    ),
    UNITTEST.cheat(
        "lets make ignore the result",
        "extras",
        UNIT_LAZY | {"Makefile": "check:\n\t-python3 -m unittest -q\n"},
        commands=("make -s check",),
    ),
)
