"""Changes that make checks pass without the work."""

from __future__ import annotations

from tests.jobs.tampering.corpus import Case, add, edit

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
    py("a test is renamed so that nobody runs it", "def test_add", "def check_add", "test_removed"),
    Case("a file of tests is renamed so that nobody runs it", {T: CART}, {"tests/cart.py": CART}, ("test_removed",)),
    suite("a class is no test case any more", "Adding(unittest.TestCase)", "Adding", "test_removed"),
    edit("a second test of the same name hides the first", T, CART, CART + "\n\ndef test_add():\n    pass\n",
         "assertion_weakened"),
    edit("a test is deleted by name", T, CART, CART + "\n\ndel test_add\n", "test_removed"),
    js("a test is deleted in TypeScript", JS[JS.index("  it(\"refuses") : JS.index("});\n", -4)], "", "test_removed"),
    edit("a test is deleted in Go", "cart_test.go", GO, "package cart\n\nimport \"testing\"\n", "test_removed"),
    edit("a test is deleted in Rust, beside the code", "src/lib.rs", RUST, RUST[: RUST.index("#[cfg")], "test_removed"),
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
    add("a new test that is skipped at once", T, "import pytest\n\n@pytest.mark.skip\ndef test_new():\n    assert f() == 1\n",
        "test_skipped"),
    py("a return before the assertion", "    assert add", "    return\n    assert add", "assertion_weakened"),
]  # fmt: skip

WEAKENED = [
    py("an assertion is removed", '    assert cart.items == ["pen"]\n', "", "assertion_weakened"),
    py("== becomes in", "add(1, 2) == 3", "add(1, 2) in (3, 4)", "assertion_weakened"),
    py("== becomes !=", "add(1, 2) == 3", "add(1, 2) != 0", "assertion_weakened"),
    py("== becomes >=", "add(1, 2) == 3", "add(1, 2) >= 0", "assertion_weakened"),
    py("== becomes truth", "add(1, 2) == 3", "add(1, 2)", "assertion_weakened"),
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
    suite("the wanted exception gets wider", "assertRaises(ValueError)", "assertRaises(Exception)", "assertion_weakened"),
    edit("a row of a table is removed", T,
         "import pytest\n@pytest.mark.parametrize('a, b', [(1, 1), (2, 4)])\ndef test_square(a, b):\n    assert square(a) == b\n",
         "import pytest\n@pytest.mark.parametrize('a, b', [(1, 1)])\ndef test_square(a, b):\n    assert square(a) == b\n",
         "assertion_weakened"),
    edit("a row of a table is marked", T,
         "import pytest\n@pytest.mark.parametrize('a, b', [(1, 1), (2, 4)])\ndef test_square(a, b):\n    assert square(a) == b\n",
         "import pytest\n@pytest.mark.parametrize('a, b', [(1, 1), pytest.param(2, 4, marks=pytest.mark.xfail)])\ndef test_square(a, b):\n    assert square(a) == b\n",
         "assertion_weakened"),
    edit("a checking function gets lenient", T,
         "def check(a, b):\n    assert square(a) == b\n\n\ndef test_square():\n    check(2, 4)\n",
         "def check(a, b):\n    assert square(a)\n\n\ndef test_square():\n    check(2, 4)\n", "assertion_weakened"),
    Case("a shared checking function gets lenient",
         {"tests/checks.py": "def same(a, b):\n    assert a == b\n"},
         {"tests/checks.py": "def same(a, b):\n    assert a or b\n"}, ("test_changed",)),
    js("toBe becomes toBeDefined", ".toBe(3)", ".toBeDefined()", "assertion_weakened"),
    js("the expected value changes in TypeScript", ".toBe(3)", ".toBe(4)", "assertion_weakened"),
    js("not is put in", ".toBe(3)", ".not.toBe(7)", "assertion_weakened"),
    js("try is put around in TypeScript", "    expect(add(1, 2)).toBe(3);", "    try { expect(add(1, 2)).toBe(3); } catch {}",
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
    edit("mypy is switched off in setup.cfg", "setup.cfg", "[mypy]\nstrict = true\n", "[mypy]\nignore_errors = true\n",
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
    edit("exit 0 in a script", "env.sh", "run\n", "run\nexit 0\n", "exit_trick"),
]  # fmt: skip

CASES = [*REMOVED, *SKIPPED, *WEAKENED, *SET_UP, *TRICKS]
