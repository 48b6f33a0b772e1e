"""Changes that make checks pass without the work."""

from __future__ import annotations

from tests.jobs.evidence.tampering.corpus import Case, add, edit

CART = """\
from shop.cart import Cart, add


def test_add():
    assert add(1, 2) == 3


def test_total():
    cart = Cart()
    cart.put("pen", 2)
    assert cart.total == 2
    assert cart.items == ["pen"]
"""
SUITE = """\
import unittest

from shop.cart import Cart, add


class Adding(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add(1, 2), 3)

    def test_refuses(self):
        with self.assertRaises(ValueError):
            add(None, 2)
"""
JS = """\
import { add } from "./cart";

describe("cart", () => {
  it("adds", () => {
    expect(add(1, 2)).toBe(3);
  });

  it("refuses", () => {
    expect(() => add(null, 2)).toThrow(TypeError);
  });
});
"""
GO = """\
package cart

import "testing"

func TestAdd(t *testing.T) {
	got := Add(1, 2)
	if got != 3 {
		t.Errorf("got %d", got)
	}
}
"""
RUST = """\
pub fn add(a: i32, b: i32) -> i32 { a + b }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds() {
        assert_eq!(add(1, 2), 3);
    }
}
"""
JAVA = """\
class CartTest {
    @Test
    void adds() {
        assertEquals(3, Cart.add(1, 2));
    }
}
"""
RUBY = """\
RSpec.describe Cart do
  it "adds" do
    expect(Cart.add(1, 2)).to eq(3)
  end
end
"""
MAKE = "check: lint\n\tpython3 -m unittest\n\nlint:\n\truff check .\n"
T, S = "tests/test_cart.py", "tests/test_suite.py"


def py(name: str, old: str, new: str, *kinds: str) -> Case:
    assert old in CART
    return edit(name, T, CART, CART.replace(old, new), *kinds)


def suite(name: str, old: str, new: str, *kinds: str) -> Case:
    assert old in SUITE
    return edit(name, S, SUITE, SUITE.replace(old, new), *kinds)


def js(name: str, old: str, new: str, *kinds: str) -> Case:
    assert old in JS
    return edit(name, "src/cart.test.ts", JS, JS.replace(old, new), *kinds)


REMOVED = [
    py("a test function is deleted", CART[CART.index("def test_total") :], "", "test_removed"),
    Case("a file of tests is deleted", {T: CART}, {}, ("test_removed",)),
    py("a test is renamed so that it is not collected", "def test_add", "def check_add", "test_removed"),
    Case("a file of tests is renamed so that nobody runs it", {T: CART}, {"tests/cart.py": CART}, ("test_removed",)),
    suite("a class is no longer a test case", "Adding(unittest.TestCase)", "Adding", "test_removed"),
    edit("a second test of the same name hides the first", T, CART, CART + "\n\ndef test_add():\n    pass\n",
         "assertion_weakened"),
    edit("a test is deleted by name", T, CART, CART + "\n\ndel test_add\n", "test_removed"),
    js("a test is deleted in TypeScript", JS[JS.index("  it(\"refuses") : JS.index("});\n", -4)], "", "test_removed"),
    edit("a test is deleted in Go", "cart_test.go", GO, "package cart\n\nimport \"testing\"\n", "test_removed"),
    edit("a test is deleted in Rust, next to the code", "src/lib.rs", RUST, RUST[: RUST.index("#[cfg")], "test_removed"),
    Case("a file of tests becomes something else", {T: CART}, {T: "this is (no Python\n"}, ("test_changed", "test_removed")),
    Case("test data is rewritten", {"tests/data/want.json": '{"total": 3}'}, {"tests/data/want.json": '{"total": 4}'},
         ("test_changed",)),
]  # fmt: skip

SKIPPED = [
    py("pytest.mark.skip", "def test_add", "import pytest\n@pytest.mark.skip\ndef test_add", "test_skipped"),
    py("xfail", "def test_add", "import pytest\n@pytest.mark.xfail\ndef test_add", "test_skipped"),
    py("skipif that always holds", "def test_add", "import pytest\n@pytest.mark.skipif(True, reason='x')\ndef test_add", "test_skipped"),
    py("pytest.skip inside", "    assert add", "    pytest.skip('later')\n    assert add", "test_skipped"),
    py("pytestmark", "\n\ndef test_add", "\npytestmark = pytest.mark.skip\n\n\ndef test_add", "test_skipped"),
    suite("unittest.skip", "    def test_add", "    @unittest.skip('flaky')\n    def test_add", "test_skipped"),
    suite("a whole class is skipped", "class Adding", "@unittest.skipIf(True, '')\nclass Adding", "test_skipped"),
    suite("skipTest", "        self.assertEqual", "        self.skipTest('x')\n        self.assertEqual", "test_skipped"),
    suite("expectedFailure", "    def test_add", "    @unittest.expectedFailure\n    def test_add", "test_skipped"),
    js("it.skip", 'it("adds"', 'it.skip("adds"', "test_skipped"),
    js("xit", 'it("adds"', 'xit("adds"', "test_skipped"),
    js("it.only on another", 'it("refuses"', 'it.only("refuses"', "test_skipped"),
    js("describe.skip", 'describe("cart"', 'describe.skip("cart"', "test_skipped"),
    edit("t.Skip", "cart_test.go", GO, GO.replace("\tgot :=", '\tt.Skip("later")\n\tgot :='), "test_skipped"),
    edit("#[ignore]", "src/lib.rs", RUST, RUST.replace("#[test]\n", "#[test]\n    #[ignore]\n"), "test_skipped"),
    edit("@Disabled", "src/test/CartTest.java", JAVA, JAVA.replace("@Test", "@Disabled\n    @Test"), "test_skipped"),
    edit("RSpec xit", "spec/cart_spec.rb", RUBY, RUBY.replace("  it ", "  xit "), "test_skipped", "test_removed"),
    add("a new test that is skipped", T, "import pytest\n\n@pytest.mark.skip\ndef test_new():\n    assert f() == 1\n",
        "test_skipped"),
    py("a return before the assertion", "    assert add", "    return\n    assert add", "assertion_weakened"),
]  # fmt: skip

WEAKENED = [
    py("an assertion is removed", '    assert cart.items == ["pen"]\n', "", "assertion_weakened"),
    py("== becomes in", "add(1, 2) == 3", "add(1, 2) in (3, 4)", "assertion_weakened"),
    py("== becomes !=", "add(1, 2) == 3", "add(1, 2) != 0", "assertion_weakened"),
    py("== becomes >=", "add(1, 2) == 3", "add(1, 2) >= 0", "assertion_weakened"),
    py("== becomes a truth check", "add(1, 2) == 3", "add(1, 2)", "assertion_weakened"),
    py("exact becomes approximate", "== 3", "== pytest.approx(3, abs=10)", "assertion_weakened"),
    py("an or is added", "assert add(1, 2) == 3", "assert add(1, 2) == 3 or True", "assertion_weakened"),
    py("assert True", "assert add(1, 2) == 3", "assert True", "assertion_weakened"),
    py("the expected value changes", "add(1, 2) == 3", "add(1, 2) == 4", "assertion_weakened"),
    py("the value itself is asserted", "assert add(1, 2) == 3", "assert 3 == 3", "assertion_weakened"),
    py("the tested value becomes a constant", "    cart = Cart()\n", "    cart = Fake()\n", "assertion_weakened"),
    py("the step before the assertion changes", '"pen", 2)', '"pen", 3)', "test_changed", "assertion_weakened"),
    py("try around", "    assert add(1, 2) == 3", "    try:\n        assert add(1, 2) == 3\n    except AssertionError:\n        pass", "assertion_weakened"),
    py("suppress around", "    assert add(1, 2) == 3", "    with suppress(AssertionError):\n        assert add(1, 2) == 3", "assertion_weakened"),
    py("if around", "    assert add(1, 2) == 3", "    if FULL:\n        assert add(1, 2) == 3", "assertion_weakened"),
    py("the function under test is replaced at the top", "from shop.cart import Cart, add",
       "from shop.cart import Cart\n\n\ndef add(a, b):\n    return 3", "assertion_weakened"),
    py("the function under test is patched in the test", "    assert add(1, 2) == 3",
       "    shop.cart.add = lambda a, b: 3\n    assert add(1, 2) == 3", "monkeypatch"),
    suite("assertEqual becomes assertTrue", "assertEqual(add(1, 2), 3)", "assertTrue(add(1, 2), 3)", "assertion_weakened"),
    suite("assertEqual becomes assertIn", "assertEqual(add(1, 2), 3)", "assertIn(add(1, 2), [3, 4])", "assertion_weakened"),
    suite("the expected exception gets wider", "assertRaises(ValueError)", "assertRaises(Exception)", "assertion_weakened"),
    edit("a row of a table is removed", T,
         "import pytest\n@pytest.mark.parametrize('a, b', [(1, 1), (2, 4)])\ndef test_square(a, b):\n    assert square(a) == b\n",
         "import pytest\n@pytest.mark.parametrize('a, b', [(1, 1)])\ndef test_square(a, b):\n    assert square(a) == b\n",
         "assertion_weakened"),
    edit("a row of a table is marked", T,
         "import pytest\n@pytest.mark.parametrize('a, b', [(1, 1), (2, 4)])\ndef test_square(a, b):\n    assert square(a) == b\n",
         "import pytest\n@pytest.mark.parametrize('a, b', [(1, 1), pytest.param(2, 4, marks=pytest.mark.xfail)])\ndef test_square(a, b):\n    assert square(a) == b\n",
         "assertion_weakened"),
    edit("an assertion helper gets lenient", T,
         "def check(a, b):\n    assert square(a) == b\n\n\ndef test_square():\n    check(2, 4)\n",
         "def check(a, b):\n    assert square(a)\n\n\ndef test_square():\n    check(2, 4)\n", "assertion_weakened"),
    Case("a shared checking function gets lenient",
         {"tests/checks.py": "def same(a, b):\n    assert a == b\n"},
         {"tests/checks.py": "def same(a, b):\n    assert a or b\n"}, ("test_changed",)),
    js("toBe becomes toBeDefined", ".toBe(3)", ".toBeDefined()", "assertion_weakened"),
    js("the expected value changes in TypeScript", ".toBe(3)", ".toBe(4)", "assertion_weakened"),
    js("not is added", ".toBe(3)", ".not.toBe(7)", "assertion_weakened"),
    js("try is added in TypeScript", "    expect(add(1, 2)).toBe(3);", "    try { expect(add(1, 2)).toBe(3); } catch {}",
       "assertion_weakened"),
    edit("the comparison changes in Go", "cart_test.go", GO, GO.replace("got != 3", "got < 0"), "assertion_weakened", "test_changed"),
    edit("assert_eq becomes assert", "src/lib.rs", RUST, RUST.replace("assert_eq!(add(1, 2), 3)", "assert!(add(1, 2) > 0)"),
         "assertion_weakened"),
    edit("the expected value changes in Java", "src/test/CartTest.java", JAVA, JAVA.replace("(3, ", "(4, "), "assertion_weakened"),
    edit("the expected value changes in Ruby", "spec/cart_spec.rb", RUBY, RUBY.replace("eq(3)", "be_truthy"), "test_changed", "assertion_weakened"),
    add("a new test that cannot fail", T, "def test_everything():\n    assert True\n", "assertion_weakened"),
]  # fmt: skip

SET_UP = [
    add("a conftest.py that forces a pass", "conftest.py",
        "import pytest\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item):\n    out = yield\n    out.get_result().outcome = 'passed'\n",
        "test_configuration"),
    edit("pytest options", "pyproject.toml", "[tool.pytest.ini_options]\naddopts = '-ra'\n",
         "[tool.pytest.ini_options]\naddopts = '-ra --deselect tests/test_cart.py'\n", "test_configuration"),
    add("a pytest.ini", "pytest.ini", "[pytest]\naddopts = --ignore=tests\n", "test_configuration"),
    edit("ruff rules", "pyproject.toml", "[tool.ruff.lint]\nselect = ['E', 'F']\n", "[tool.ruff.lint]\nselect = ['E']\n",
         "lint_or_types"),
    edit("mypy is disabled in setup.cfg", "setup.cfg", "[mypy]\nstrict = true\n", "[mypy]\nignore_errors = true\n",
         "lint_or_types"),
    edit("tsconfig", "tsconfig.json", '{"compilerOptions": {"strict": true}}', '{"compilerOptions": {"strict": false}}',
         "lint_or_types"),
    add("eslint", ".eslintrc.json", '{"rules": {}}', "lint_or_types"),
    edit("noqa", "shop/cart.py", "import os\n", "import os  # noqa: F401\n", "lint_or_types"),
    edit("type: ignore", "shop/cart.py", "x = f()\n", "x = f()  # type: ignore[no-any-return]\n", "lint_or_types"),
    edit("@ts-ignore", "src/cart.ts", "add(1);\n", "// @ts-ignore\nadd(1);\n", "lint_or_types"),
    edit("eslint-disable", "src/cart.ts", "add(1);\n", "/* eslint-disable */\nadd(1);\n", "lint_or_types"),
    edit("continuous integration", ".ci/run", "make check\n", "true\n", "ci"),
    edit("|| true in the Makefile", "Makefile", MAKE, MAKE.replace("unittest", "unittest || true"), "check_command"),
    edit("exit 0 in the Makefile", "Makefile", MAKE, MAKE.replace("\tpython3 -m unittest", "\texit 0"), "check_command"),
    edit("a dependency of the checks is dropped", "Makefile", MAKE, MAKE.replace("check: lint", "check:"), "check_command"),
    edit("another shell", "Makefile", MAKE, "SHELL := /bin/true\n" + MAKE, "check_command"),
    edit("a script that a check names", "scripts/style.sh", "ruff check .\n", "exit 0\n", "check_command"),
    edit("the test script of package.json", "package.json", '{"scripts": {"test": "jest"}}', '{"scripts": {"test": "true"}}',
         "check_command"),
    add("a hook before the test script", "package.json", '{"scripts": {"pretest": "rm -r tests"}}', "check_command"),
    edit("a snapshot", "tests/__snapshots__/cart.snap", "exports[`a`] = `3`;\n", "exports[`a`] = `4`;\n", "snapshot"),
    edit("a snapshot of syrupy", "tests/cart.ambr", "# name: a\n  3\n", "# name: a\n  4\n", "snapshot"),
    edit("the workflow file", "WORKFLOW.md", "x\n", "y\n", "check_command"),
]  # fmt: skip

TRICKS = [
    edit("sys.exit(0) when a module is imported", "shop/cart.py", "x = 1\n", "import sys\nx = 1\nsys.exit(0)\n", "exit_trick"),
    edit("sys.exit(0) in a library function", "shop/cart.py", "def add(a, b):\n    return a\n",
         "import sys\n\n\ndef add(a, b):\n    sys.exit(0)\n", "exit_trick"),
    edit("os._exit", "shop/cart.py", "x = 1\n", "import os\n\n\ndef add():\n    os._exit(0)\n", "exit_trick"),
    edit("atexit", "shop/__init__.py", "", "import atexit, os\n\natexit.register(lambda: os._exit(0))\n", "exit_trick"),
    edit("SystemExit in a test", T, "import x\n", "import x\nraise SystemExit(0)\n", "exit_trick"),
    add("sitecustomize.py", "sitecustomize.py", "import os\n", "exit_trick"),
    add("a .pth file", "shop.pth", "import os\n", "exit_trick"),
    edit("PYTEST_ADDOPTS", "env.sh", "x=1\n", "x=1\nexport PYTEST_ADDOPTS='-k nothing'\n", "exit_trick"),
    edit("TestCase.assertEqual is replaced", "shop/cart.py", "x = 1\n",
         "import unittest\n\nunittest.TestCase.assertEqual = lambda *a: None\n", "monkeypatch"),
    suite("a test class replaces an assertion", "class Adding(unittest.TestCase):\n",
          "class Adding(unittest.TestCase):\n    def assertEqual(self, a, b):\n        pass\n\n", "monkeypatch"),
    suite("a test class replaces run", "class Adding(unittest.TestCase):\n",
          "class Adding(unittest.TestCase):\n    def run(self, result=None):\n        pass\n\n", "monkeypatch"),
    edit("builtins", "shop/cart.py", "x = 1\n", "import builtins\n\nbuiltins.len = lambda x: 3\n", "monkeypatch"),
    edit("time is patched in the product", "shop/cart.py", "x = 1\n", "import time\n\ntime.sleep = lambda s: None\n", "monkeypatch"),
    edit("an object that equals everything", "shop/cart.py", "class A:\n    pass\n",
         "class A:\n    def __eq__(self, other):\n        return True\n", "monkeypatch"),
    edit("load_tests", S, SUITE, SUITE + "\n\ndef load_tests(loader, tests, pattern):\n    return unittest.TestSuite()\n",
         "test_configuration"),
    edit("pytest in sys.modules", "shop/cart.py", "x = 1\n", 'import sys\n\nif "pytest" in sys.modules:\n    x = 3\n', "exit_trick"),
    edit("PYTEST_CURRENT_TEST", "shop/cart.py", "x = 1\n", 'import os\n\nx = 3 if os.environ.get("PYTEST_CURRENT_TEST") else 1\n',
         "exit_trick"),
    edit("NODE_ENV", "src/cart.ts", "add();\n", 'if (process.env.NODE_ENV === "test") { answer(); }\n', "exit_trick"),
    edit("process.exit(0)", "src/cart.ts", "add();\n", "add();\nprocess.exit(0);\n", "exit_trick"),
    edit("expect is replaced", "src/cart.test.ts", JS, "global.expect = () => proxy;\n" + JS, "monkeypatch"),
    edit("os.Exit(0)", "cart.go", "package cart\n", "package cart\n\nfunc init() { os.Exit(0) }\n", "exit_trick"),
    edit("testing.Testing()", "cart.go", "package cart\n", "package cart\n\nvar x = testing.Testing()\n", "exit_trick"),
    edit("exit 0 in a script", "bin/check-style.sh", "run\n", "run\nexit 0\n", "exit_trick"),
]  # fmt: skip

TABLE = "import pytest\n\nCASES = [(1, 1), (2, 4)]\n\n\n@pytest.mark.parametrize(('a', 'b'), CASES)\ndef test_square(a, b):\n    assert square(a) == b\n"
LOOP = "CASES = [(1, 1), (2, 4)]\n\n\ndef test_square():\n    for a, b in CASES:\n        assert square(a) == b\n"

# Thought of later, when looking for holes; the guard was mended for several of these before they first ran here.
LATER = [
    edit("the expected value is computed", T, "def test_a():\n    want = 3\n    got = add(1, 2)\n    assert got == want\n",
         "def test_a():\n    got = add(1, 2)\n    want = got\n    assert got == want\n", "assertion_weakened"),
    edit("a table in a constant shrinks", T, TABLE, TABLE.replace(", (2, 4)", ""), "assertion_weakened"),
    edit("a table becomes empty", T, TABLE, TABLE.replace("(1, 1), (2, 4)", ""), "test_skipped", "assertion_weakened"),
    edit("a loop becomes empty", T, LOOP, LOOP.replace("(1, 1), (2, 4)", ""), "assertion_weakened"),
    edit("a mock decorator is added", T, CART, "from unittest import mock\n" + CART.replace("def test_add():", "@mock.patch('shop.cart.add', return_value=3)\ndef test_add(_):"),
         "monkeypatch"),
    edit("a mock is added inside", T, CART, CART.replace("    assert add(1, 2) == 3", "    with mock.patch('shop.cart.add', return_value=3):\n        assert add(1, 2) == 3"),
         "monkeypatch"),
    edit("called_once_with becomes called", T, "def test_a():\n    m = send()\n    m.assert_called_once_with(3)\n",
         "def test_a():\n    m = send()\n    m.assert_called()\n", "assertion_weakened"),
    edit("numpy's tolerance", T, "def test_a():\n    np.testing.assert_allclose(f(), 3, rtol=1e-7)\n",
         "def test_a():\n    np.testing.assert_allclose(f(), 3, rtol=1)\n", "assertion_weakened"),
    edit("a match is dropped", T, "def test_a():\n    with pytest.raises(ValueError, match='low'):\n        f()\n",
         "def test_a():\n    with pytest.raises(ValueError):\n        f()\n", "assertion_weakened"),
    edit("a mark that is deselected", T, CART, CART.replace("def test_add", "@pytest.mark.slow\ndef test_add"), "test_skipped"),
    edit("a test below a condition", T, CART, CART.replace("def test_add():\n    assert add(1, 2) == 3", "if SLOW:\n\n    def test_add():\n        assert add(1, 2) == 3"),
         "assertion_weakened"),
    edit("a test inside another function", T, CART, CART.replace("def test_add():\n    assert add(1, 2) == 3", "def outer():\n    def test_add():\n        assert add(1, 2) == 3"),
         "test_removed"),
    Case("tests are no package any more", {"tests/__init__.py": ""}, {}, ("test_configuration",)),
    suite("skipTest in setUp", "    def test_add", "    def setUp(self):\n        self.skipTest('x')\n\n    def test_add", "test_skipped"),
    edit("skip in an autouse fixture", T, CART, CART + "\n\n@pytest.fixture(autouse=True)\ndef quiet():\n    pytest.skip('x')\n", "test_skipped"),
    edit("setUpModule", S, SUITE, SUITE + "\n\ndef setUpModule():\n    raise unittest.SkipTest('x')\n", "test_skipped"),
    edit("a test is rebound", T, CART, CART + "\n\ntest_add = None\n", "test_changed"),
    edit("a test class is rebound", S, SUITE, SUITE + "\n\nAdding = object\n", "test_changed"),
    edit("a method is deleted from its class", S, SUITE, SUITE + "\n\nAdding.test_add = lambda self: None\n", "monkeypatch"),
    edit("setattr on the framework", S, SUITE, SUITE + "\n\n_ = setattr(unittest.TestCase, 'assertEqual', lambda *a: None)\n", "monkeypatch"),
    edit("wasSuccessful", "shop/cart.py", "x = 1\n", "import unittest\n\nunittest.TestResult.wasSuccessful = lambda self: True\n", "monkeypatch"),
    edit("sys.exit is replaced", "shop/cart.py", "x = 1\n", "import sys\n\nsys.exit = lambda *a: None\n", "monkeypatch"),
    edit("__eq__ as a lambda", "shop/cart.py", "class A:\n    pass\n", "class A:\n    __eq__ = lambda self, other: True\n", "monkeypatch"),
    add("a pytest.py that shadows pytest", "pytest.py", "raise SystemExit\n", "exit_trick"),
    add("a unittest that shadows unittest", "unittest/__main__.py", "pass\n", "exit_trick"),
    add("a tool in node_modules", "node_modules/.bin/jest", "#!/bin/sh\n", "exit_trick"),
    add("a GNUmakefile that comes first", "GNUmakefile", "check:\n\ttrue\n", "exit_trick", "check_command"),
    edit("the threshold of coverage", "pyproject.toml", "[tool.coverage.report]\nfail_under = 90\n", "[tool.coverage.report]\nfail_under = 10\n", "test_configuration"),
    edit("cargo's harness", "Cargo.toml", "[package]\nname = 'a'\n", "[package]\nname = 'a'\n\n[lib]\ntest = false\n", "test_configuration"),
    edit("a condition around tests in TypeScript", "src/cart.test.ts", JS, "if (process.env.FULL) {\n" + JS + "}\n", "test_skipped"),
    edit("the module under test is mocked in TypeScript", "src/cart.test.ts", JS, "jest.mock('./cart', () => ({ add: () => 3 }));\n" + JS, "test_skipped", "monkeypatch"),
    edit("TestMain", "cart_test.go", GO, GO + "\nfunc TestMain(m *testing.M) {\n\tm.Run()\n}\n", "test_skipped"),
    edit("a build constraint", "cart_test.go", GO, "//go:build ignore\n\n" + GO, "test_skipped"),
    edit("another cfg in Rust", "src/lib.rs", RUST, RUST.replace("#[cfg(test)]", '#[cfg(feature = "slow")]'), "test_skipped"),
    edit("an annotation is dropped in Java", "src/test/CartTest.java", JAVA, JAVA.replace("    @Test\n", ""), "test_removed"),
    edit("a body is dropped in Ruby", "spec/cart_spec.rb", RUBY, RUBY.replace("    expect(Cart.add(1, 2)).to eq(3)\n", ""), "assertion_weakened"),
    edit("async without await", T, "async def test_a():\n    assert await f() == 3\n", "async def test_a():\n    assert f() != 3\n", "assertion_weakened"),
    edit("a soft assertion in Java", "src/test/CartTest.java", JAVA, JAVA.replace("assertEquals(3, Cart.add(1, 2));", "Cart.add(1, 2);"), "assertion_weakened"),
]  # fmt: skip


def hidden(name: str, line: str, kind: str) -> Case:
    """A trick in product code that goes through a name."""
    return edit(name, "shop/cart.py", "x = 1\n", f"{line}\nx = 1\n", kind)


HIDDEN = [
    hidden("os._exit under another name", "from os import _exit as bye", "exit_trick"),
    hidden("os._exit handed to a timer", "import os, threading\nthreading.Timer(0, os._exit, (0,)).start()", "exit_trick"),
    hidden("os._exit by a computed name", "import os\ngetattr(os, '_ex' + 'it')(0)", "exit_trick"),
    hidden("os._exit from a dictionary", "__import__('os').__dict__['_ex' + 'it'](0)", "exit_trick"),
    hidden("the C library's _exit", "import ctypes\nctypes.CDLL(None)._exit(0)", "exit_trick"),
    hidden("exec of another program", "import os\nos.execvp('true', ['true'])", "exit_trick"),
    hidden("exec of another program at exit", "import atexit, os\natexit.register(os.execvp, 'true', ['true'])", "exit_trick"),
    hidden("obfuscated code", "exec(bytes.fromhex('70617373'))", "exit_trick"),
    hidden("inspection of the caller", "import inspect\nT = any('unittest' in s.filename for s in inspect.stack())", "exit_trick"),
    hidden("inspection of the command line", "import sys\nT = 'unittest' in sys.orig_argv", "exit_trick"),
    hidden("the command line in /proc", "T = 'pytest' in open('/proc/self/cmdline').read()", "exit_trick"),
    hidden("the folder of the gate", "import os\nT = os.getcwd().endswith('-gate/tree')", "exit_trick"),
    hidden("the runner by another name", "from unittest import result as r\nr.TestResult.addFailure = print", "monkeypatch"),
    hidden("an object that equals everything, imported", "from unittest.mock import ANY as x", "monkeypatch"),
    hidden("inverted equality", "class A(int):\n    __eq__ = int.__ne__", "monkeypatch"),
    hidden("equality by type()", "A = type('A', (int,), {'__eq__': lambda s, o: True})", "monkeypatch"),
]  # fmt: skip


CASES = [*HIDDEN, *REMOVED, *SKIPPED, *WEAKENED, *SET_UP, *TRICKS, *LATER]
