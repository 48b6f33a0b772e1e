"""Honest changes, which need no review."""

from __future__ import annotations

from tests.jobs.evidence.tampering.corpus import Case, add, edit
from tests.jobs.evidence.tampering.dishonest import CART, GO, JAVA, JS, MAKE, RUBY, RUST, SUITE, S, T

SQUARES = """\
from shop.cart import square


def test_one():
    assert square(1) == 1


def test_two():
    assert square(2) == 4
"""

PYTHON = [
    add("a new file of tests", "tests/test_new.py", CART),
    edit("a new test in an existing file", T, CART, CART + "\n\ndef test_zero():\n    assert add(0, 0) == 0\n"),
    edit("a new test in an existing class", S, SUITE, SUITE + "\n    def test_zero(self):\n        self.assertEqual(add(0, 0), 0)\n"),
    edit("a renamed test", T, CART, CART.replace("test_add", "test_adds_two_numbers")),
    edit("a renamed class of tests", S, SUITE, SUITE.replace("class Adding", "class Sums")),
    Case("a moved file of tests", {T: CART}, {"tests/unit/test_cart.py": CART}),
    Case("a moved file of tests with a further test", {T: CART},
         {"tests/unit/test_cart.py": CART + "\n\ndef test_zero():\n    assert add(0, 0) == 0\n"}),
    Case("a file of tests in two halves", {T: CART}, {
        "tests/test_add.py": "from shop.cart import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
        "tests/test_total.py": "from shop.cart import Cart\n\n\n" + CART[CART.index("def test_total"):]}),
    edit("separate tests become a table", T, SQUARES,
         "import pytest\n\nfrom shop.cart import square\n\n\n@pytest.mark.parametrize(('given', 'wanted'), [(1, 1), (2, 4), (3, 9)])\n"
         "def test_square(given, wanted):\n    assert square(given) == wanted\n"),
    edit("separate tests become a loop", T, SQUARES,
         "from shop.cart import square\n\n\ndef test_square():\n    for given, wanted in [(1, 1), (2, 4)]:\n        assert square(given) == wanted\n"),
    edit("sub-tests", S,
         "import unittest\n\nclass A(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(square(1), 1)\n        self.assertEqual(square(2), 4)\n",
         "import unittest\n\nclass A(unittest.TestCase):\n    def test_a(self):\n        for a, b in ((1, 1), (2, 4)):\n            with self.subTest(a=a):\n                self.assertEqual(square(a), b)\n"),
    edit("another row in a table", T,
         "import pytest\n@pytest.mark.parametrize('a, b', [(1, 1)])\ndef test_square(a, b):\n    assert square(a) == b\n",
         "import pytest\n@pytest.mark.parametrize('a, b', [(1, 1), (2, 4)])\ndef test_square(a, b):\n    assert square(a) == b\n"),
    edit("another assertion", T, CART, CART.replace("    assert cart.total == 2\n", "    assert cart.total == 2\n    assert cart.count == 1\n")),
    edit("more steps at the end", T, CART, CART + '    cart.put("ink", 3)\n    assert cart.total == 5\n'),
    edit("a docstring", T, CART, CART.replace("def test_add():\n", 'def test_add():\n    """Sums."""\n')),
    edit("comments and layout", T, CART, CART.replace("assert add(1, 2) == 3", "assert add(\n        1,\n        2,\n    ) == 3  # three")),
    edit("another quotation mark", T, CART, CART.replace('"pen"', "'pen'")),
    edit("a new helper that new tests use", T, CART,
         CART + "\n\ndef full_cart():\n    cart = Cart()\n    cart.put('x', 1)\n    return cart\n\n\ndef test_full():\n    assert full_cart().total == 1\n"),
    edit("a helper that old tests use", T,
         "def test_a():\n    cart = Cart('EUR')\n    assert cart.total == 0\n\n\ndef test_b():\n    cart = Cart('EUR')\n    assert cart.items == []\n",
         "def empty():\n    return Cart('EUR')\n\n\ndef test_a():\n    assert empty().total == 0\n\n\ndef test_b():\n    assert empty().items == []\n"),
    edit("a fixture that old tests use", T,
         "def test_a():\n    cart = Cart('EUR')\n    assert cart.total == 0\n",
         "import pytest\n\n\n@pytest.fixture\ndef cart():\n    return Cart('EUR')\n\n\ndef test_a(cart):\n    assert cart.total == 0\n"),
    edit("setUp", S,
         "import unittest\n\nclass A(unittest.TestCase):\n    def test_a(self):\n        cart = Cart('EUR')\n        self.assertEqual(cart.total, 0)\n",
         "import unittest\n\nclass A(unittest.TestCase):\n    def setUp(self):\n        self.cart = Cart('EUR')\n\n    def test_a(self):\n        self.assertEqual(self.cart.total, 0)\n"),
    edit("a renamed variable", T, CART, CART.replace("cart.", "basket.").replace("    cart =", "    basket =").replace("shop.basket", "shop.cart")),
    edit("a literal gets a name", T, CART, CART.replace("\n\n\ndef test_add", "\n\nWANTED = 3\n\n\ndef test_add", 1).replace("== 3", "== WANTED")),
    edit("unittest becomes pytest", S, SUITE,
         "import pytest\n\nfrom shop.cart import Cart, add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n\n\ndef test_refuses():\n    with pytest.raises(ValueError):\n        add(None, 2)\n"),
    edit("a stronger assertion", S, SUITE, SUITE.replace("assertRaises(ValueError)", "assertRaisesRegex(ValueError, 'None')")),
    edit("a truth check becomes equality", T, "def test_a():\n    assert f(1)\n", "def test_a():\n    assert f(1) == 5\n"),
    edit("type annotations in tests", T, "def test_a():\n    assert f(1) == 1\n", "def test_a() -> None:\n    assert f(1) == 1\n"),
    edit("an import is sorted", T, CART, CART.replace("import Cart, add", "import add, Cart")),
    edit("an import in another style", T, "from shop.cart import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
         "import shop.cart\n\n\ndef test_add():\n    assert shop.cart.add(1, 2) == 3\n"),
    add("a test for one system only", "tests/test_win.py",
        "import sys\nimport pytest\n\n@pytest.mark.skipif(sys.platform != 'win32', reason='Windows')\ndef test_a():\n    assert f() == 1\n"),
    add("a test that patches time", "tests/test_wait.py",
        "import time\n\n\ndef test_waits(monkeypatch):\n    monkeypatch.setattr(time, 'sleep', lambda s: None)\n    assert wait() == 1\n"),
    add("a test that something does not raise", "tests/test_run.py", "def test_runs():\n    run()\n"),
    add("a test of SystemExit", "tests/test_main.py",
        "import pytest\n\n\ndef test_ends():\n    with pytest.raises(SystemExit):\n        main(['--help'])\n"),
    edit("unittest.main at the end", S, SUITE, SUITE + "\n\nif __name__ == '__main__':\n    unittest.main()\n"),
]  # fmt: skip

OTHERS = [
    edit("a new test in TypeScript", "src/cart.test.ts", JS,
         JS.replace('  it("refuses"', '  it("adds nothing", () => {\n    expect(add(0, 0)).toBe(0);\n  });\n\n  it("refuses"')),
    edit("a renamed test in TypeScript", "src/cart.test.ts", JS, JS.replace('"adds"', '"adds two numbers"')),
    edit("layout in TypeScript", "src/cart.test.ts", JS,
         JS.replace("expect(add(1, 2)).toBe(3);", "expect(\n      add(1, 2),\n    ).toBe(3)").replace('"adds"', "'adds'")),
    edit("another assertion in TypeScript", "src/cart.test.ts", JS,
         JS.replace("    expect(add(1, 2)).toBe(3);\n", "    expect(add(1, 2)).toBe(3);\n    expect(add(2, 2)).toBe(4);\n")),
    Case("a moved file in TypeScript", {"src/cart.test.ts": JS}, {"src/cart/cart.test.ts": JS.replace("./cart", "../cart")}),
    edit("a new test in Go", "cart_test.go", GO, GO + "\nfunc TestZero(t *testing.T) {\n\tif Add(0, 0) != 0 {\n\t\tt.Fatal()\n\t}\n}\n"),
    edit("a new test in Rust", "src/lib.rs", RUST,
         RUST.replace("    #[test]\n    fn adds", "    #[test]\n    fn zero() {\n        assert_eq!(add(0, 0), 0);\n    }\n\n    #[test]\n    fn adds")),
    edit("product code in Rust next to its tests", "src/lib.rs", RUST, RUST.replace("{ a + b }", "{\n    b + a\n}")),
    edit("a new test in Java", "src/test/CartTest.java", JAVA,
         JAVA.replace("    @Test\n", "    @Test\n    void zero() {\n        assertEquals(0, Cart.add(0, 0));\n    }\n\n    @Test\n", 1)),
    edit("a new test in Ruby", "spec/cart_spec.rb", RUBY,
         RUBY.replace("  it ", '  it "adds nothing" do\n    expect(Cart.add(0, 0)).to eq(0)\n  end\n\n  it ', 1)),
    edit("a comment in Go", "cart_test.go", GO, GO.replace("\tgot :=", "\t// the sum\n\tgot :=")),
]  # fmt: skip

REST = [
    edit("product code", "shop/cart.py", "def add(a, b):\n    return a\n", "def add(a, b):\n    return a + b\n"),
    add("a program that exits with 0", "shop/cli.py",
        "import argparse\nimport sys\n\n\ndef main():\n    if show():\n        sys.exit(0)\n\n\nif __name__ == '__main__':\n    sys.exit(main())\n"),
    add("a program's __main__", "shop/__main__.py", "import sys\n\nfrom shop.cli import main\n\nsys.exit(main())\n"),
    edit("a custom comparison", "shop/cart.py", "class A:\n    pass\n",
         "class A:\n    def __eq__(self, other):\n        return isinstance(other, A) and self.x == other.x\n"),
    edit("the word pytest in product code", "shop/cart.py", "x = 1\n", "x = 1\nRUNNERS = ('pytest', 'unittest')\n"),
    edit("a new target in the Makefile", "Makefile", MAKE, MAKE + "\ndemo:\n\tpython3 -m shop\n"),
    edit("a dependency in pyproject.toml", "pyproject.toml", "[project]\ndependencies = []\n[tool.ruff]\nline-length = 100\n",
         "[project]\ndependencies = ['rich']\n[tool.ruff]\nline-length = 100\n"),
    edit("a dependency and a new script in package.json", "package.json", '{"scripts": {"test": "jest"}, "dependencies": {}}',
         '{"scripts": {"test": "jest", "start": "node a.js"}, "dependencies": {"a": "1"}}'),
    add("a new snapshot", "tests/__snapshots__/new.snap", "exports[`a`] = `3`;\n"),
    edit("another snapshot in a file", "tests/__snapshots__/cart.snap", "exports[`a`] = `3`;\n", "exports[`a`] = `3`;\n\nexports[`b`] = `4`;\n"),
    edit("documentation in the test folder", "tests/README.md", "old\n", "new: use `# noqa` or exit 0\n"),
    edit("another case in test data", "tests/cases.json", '[{"a": 1}]', '[{"a": 1}, {"a": 2}]'),
    Case("code that moves with its noqa", {"a.py": "import os  # noqa: F401\n"}, {"b.py": "import os  # noqa: F401\n"}),
    edit("a script that no check names", "scripts/release.sh", "git tag\n", "git tag -s\n"),
    edit("documents", "README.md", "old\n", "new\n"),
    edit("JavaScript of a server", "src/server.js", "listen();\n", "process.on('SIGTERM', () => process.exit(0));\nlisten();\n"),
]  # fmt: skip

TABLE = """\
package cart

import "testing"

func TestAdd(t *testing.T) {
	tests := []struct{ a, b, want int }{
		{1, 2, 3},
	}
	for _, tt := range tests {
		if got := Add(tt.a, tt.b); got != tt.want {
			t.Errorf("got %d", got)
		}
	}
}
"""
PAIR = "def test_a():\n    cart = Cart()\n    cart.put('pen', 2)\n    assert cart.total == 2\n    assert cart.items == ['pen']\n"

# Thought of later, when looking for holes; the guard was mended for several of these before they first ran here.
LATER = [
    edit("a new class in an existing file", S, SUITE, SUITE + "\n\nclass More(unittest.TestCase):\n    def setUp(self):\n        self.cart = Cart()\n\n    def test_more(self):\n        self.assertEqual(self.cart.total, 0)\n"),
    edit("a new fixture and tests that use it", T, CART, "import pytest\n" + CART + "\n\n@pytest.fixture\ndef cart():\n    return Cart()\n\n\ndef test_empty(cart):\n    assert cart.total == 0\n"),
    edit("a single test becomes a table", T, "def test_add():\n    assert add(1, 2) == 3\n",
         "@pytest.mark.parametrize(('a', 'b', 'c'), [(1, 2, 3), (0, 0, 0)])\ndef test_add(a, b, c):\n    assert add(a, b) == c\n"),
    edit("tests in another order", T, SQUARES, SQUARES[: SQUARES.index("def test_one")] + SQUARES[SQUARES.index("def test_two") :] + "\n\n" + SQUARES[SQUARES.index("def test_one") : SQUARES.index("def test_two")].rstrip() + "\n"),
    edit("one test becomes two", T, PAIR, "def test_total():\n    cart = Cart()\n    cart.put('pen', 2)\n    assert cart.total == 2\n\n\ndef test_items():\n    cart = Cart()\n    cart.put('pen', 2)\n    assert cart.items == ['pen']\n"),
    edit("two tests become one", T, SQUARES, "from shop.cart import square\n\n\ndef test_square():\n    assert square(1) == 1\n    assert square(2) == 4\n"),
    edit("assertTrue(a == b) becomes assertEqual", S, SUITE.replace("assertEqual(add(1, 2), 3)", "assertTrue(add(1, 2) == 3)"), SUITE),
    edit("a mark that asyncio needs", T, "async def test_a():\n    assert await f() == 1\n", "@pytest.mark.asyncio\nasync def test_a():\n    assert await f() == 1\n"),
    edit("type annotations on a helper", T, "def full():\n    c = Cart()\n    c.put(1)\n    return c\n\n\ndef test_a():\n    assert full().n == 1\n",
         "def full() -> Cart:\n    c = Cart()\n    c.put(1)\n    return c\n\n\ndef test_a() -> None:\n    assert full().n == 1\n"),
    edit("a renamed helper", T, "def full():\n    c = Cart()\n    c.put(1)\n    return c\n\n\ndef test_a():\n    assert full().n == 1\n",
         "def full_cart():\n    c = Cart()\n    c.put(1)\n    return c\n\n\ndef test_a():\n    assert full_cart().n == 1\n"),
    edit("annotations from the future", T, CART, "from __future__ import annotations\n\n" + CART),
    edit("a docstring at the top", T, CART, '"""Tests of the cart."""\n\n' + CART),
    edit("a message", T, CART, CART.replace("== 3", "== 3, 'one and two'")),
    edit("with raises as a call", S, SUITE, SUITE.replace("        with self.assertRaises(ValueError):\n            add(None, 2)\n", "        self.assertRaises(ValueError, add, None, 2)\n")),
    edit("a new member of a set of constants", T, "CASES = [(1, 1)]\n\n\ndef test_a():\n    for a, b in CASES:\n        assert square(a) == b\n",
         "CASES = [(1, 1), (2, 4)]\n\n\ndef test_a():\n    for a, b in CASES:\n        assert square(a) == b\n"),
    edit("a new helper in a file of helpers", "tests/helpers.py", "def one():\n    return 1\n", "def one():\n    return 1\n\n\ndef two():\n    return 2\n"),
    Case("a moved helper", {"tests/helpers.py": "def one():\n    return 1\n"}, {"tests/support.py": "def one():\n    return 1\n"}),
    Case("a moved folder of tests", {"tests/__init__.py": "", T: CART}, {"tests/unit/__init__.py": "", "tests/unit/test_cart.py": CART}),
    edit("another row in Go", "cart_test.go", TABLE, TABLE.replace("\t\t{1, 2, 3},\n", "\t\t{1, 2, 3},\n\t\t{0, 0, 0},\n")),
    edit("imports in TypeScript", "src/cart.test.ts", JS, 'import { sub } from "./sub";\n' + JS),
    edit("a new block in TypeScript", "src/cart.test.ts", JS, JS + '\ndescribe("sub", () => {\n  it("subtracts", () => {\n    if (deep) { expect(sub(1, 2)).toBe(-1); }\n  });\n});\n'),
    edit("a beforeEach in TypeScript", "src/cart.test.ts", JS, JS.replace('  it("adds"', '  beforeEach(() => {\n    reset();\n  });\n\n  it("adds"')),
    add("a program with an exit code", "tool/run.py", "import os\n\n\ndef child():\n    os._exit(1)\n"),
    add("clean-up at exit", "shop/pool.py", "import atexit\n\nfrom shop.db import pool\n\natexit.register(pool.close)\n"),
    add("a script that may fail", "scripts/deploy.sh", "set -e\nrm old || true\ntrap cleanup EXIT\nexit 0\n"),
    add("a new module of tests in Go", "sub_test.go", TABLE),
    add("a new Makefile", "Makefile", MAKE),
    edit("product code that reads the clock", "shop/cart.py", "import time\n", "import time\n\nNOW = time.time()\nself.time = time.time()\n"),
    edit("a setting called random", "shop/cart.py", "x = 1\n", "class A:\n    def f(self):\n        self.random = 4\n        config.time.zone = 'UTC'\n"),
    add("data with the names of runners", "shop/words.json", '{"eslint-disable": false, "PYTEST": "exit 0"}'),
    edit("a helper with another parameter", T,
         "def total(a):\n    return Cart(a).total\n\n\ndef test_a():\n    assert total(1) == 1\n",
         "def total(a, b=0):\n    return Cart(a).total\n\n\ndef test_a():\n    assert total(1) == 1\n"),
]  # fmt: skip

NAMES = [
    edit("a method called _exit", "shop/cart.py", "x = 1\n",
         "class A:\n    def _exit(self):\n        return 1\n\n    def end(self):\n        return self._exit\n"),
    edit("a method found by its name", "shop/cart.py", "x = 1\n", "def visit(self, n):\n    return getattr(self, 'visit_' + n)\n"),
    edit("a program that starts another", "shop/run.py", "x = 1\n", "import os\n\n\ndef start(a):\n    os.execvp(a[0], a)\n"),
    edit("a path relative to the file", "shop/cart.py", "x = 1\n",
         "from pathlib import Path\n\nRATES = (Path(__file__).parent / 'rates.json').read_text()\n"),
    edit("the first argument", "shop/run.py", "x = 1\n", "import sys\n\nV = '--version' in sys.argv\n"),
]  # fmt: skip

CASES = [*NAMES, *PYTHON, *OTHERS, *REST, *LATER]
