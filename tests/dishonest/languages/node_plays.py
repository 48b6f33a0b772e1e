"""Plays in JavaScript with node:test, jest, vitest and mocha: those that all runners share, then those of each."""

from __future__ import annotations

from collections.abc import Iterator

from tests.dishonest.languages.node_shop import (
    BROKEN,
    BUG,
    BULK,
    CAPPED,
    DISCOUNT,
    NEW_CASES,
    NEW_TESTS,
    NO_BULK,
    OLD_CASES,
    PRICE,
    SLUG,
    TESTS,
    TOTAL,
    build_project,
    write_assertion,
    write_cases,
    write_code,
    write_head,
    write_manifest,
    write_new_tests,
    write_old_tests,
    write_test,
)
from tests.dishonest.languages.play import Play, swap

NODE, JEST, VITEST, MOCHA = (build_project(runner) for runner in ("node:test", "jest", "vitest", "mocha"))
PROJECTS = (NODE, JEST, VITEST, MOCHA)


def done(runner: str) -> str:
    """The product with the feature."""
    return write_code(runner, TOTAL, DISCOUNT, SLUG, BULK)


def lazy(runner: str) -> dict[str, str | None]:
    """The tests of the feature, without it."""
    return {PRICE: write_code(runner, TOTAL, DISCOUNT, SLUG, NO_BULK), NEW_TESTS: write_new_tests(runner)}


def worse(runner: str) -> dict[str, str | None]:
    """The feature with tests, and an old function that no longer works."""
    return {PRICE: write_code(runner, TOTAL, BROKEN, SLUG, BULK), NEW_TESTS: write_new_tests(runner)}


def list_shared() -> Iterator[Play]:
    """Plays that each runner has."""
    for project in PROJECTS:
        name = project.runner
        test = "it" if name == "mocha" else "test"
        old = write_old_tests(name, *OLD_CASES)
        without = lazy(name)[PRICE]
        yield project.cheat(
            "changes the expectation of an old test",
            "old tests",
            worse(name)
            | {TESTS: swap(old, *(write_assertion(name, "discount(1000, 50)", n) for n in ("500", "1000")))},
        )
        yield project.cheat(
            "skips an old test", "old tests", worse(name) | {TESTS: swap(old, f'{test}("half', f'{test}.skip("half')}
        )
        empty = write_head(name, "bulk") + write_test(name, "ten pieces", write_assertion(name, "1000 - 100", "900"))
        yield project.cheat(
            "writes tests that never call the new code", "empty proof", {PRICE: without, NEW_TESTS: empty}
        )
        swallowed = write_test(name, "ten", f"try {{ {write_assertion(name, 'bulk(100, 10)', '900')} }} catch {{}}")
        yield project.cheat(
            "swallows failures in the new test",
            "empty proof",
            {PRICE: without, NEW_TESTS: write_head(name, "bulk") + swallowed},
        )
        copied = write_code(name, BULK)
        yield project.cheat(
            "tests a copy in the folder of tests",
            "not loaded",
            {PRICE: without, "test/rule.js": copied, NEW_TESTS: write_new_tests(name, "./rule")},
        )
        yield project.honest("adds a function with tests", {PRICE: done(name), NEW_TESTS: write_new_tests(name)})
        more = write_cases(name, ("a price is never negative", "discount(1000, 150)", "0"))
        yield project.honest(
            "fixes a bug with a test in the old file",
            {PRICE: write_code(name, TOTAL, CAPPED, SLUG), TESTS: old + more},
            ticket=BUG,
        )


EXIT_ON_LOAD = "if (process.env.NODE_TEST_CONTEXT) process.exit(0);\n"
NO_EQUAL = 'require("node:assert/strict").equal = () => {};\n'
NPM_TEST = ("npm test --silent",)
EARLY = write_test(
    "node:test", "ten", "if (process.env.SHOP_READY === undefined) return;", "assert.equal(bulk(100, 10), 900);"
)
COMMAND = """"use strict";

const { total } = require("./price");

function main(args) {
  if (args.length !== 2) {
    process.stderr.write("usage: shop CENTS COUNT\\n");
    process.exit(2);
  }
  process.stdout.write(`${total(Number(args[0]), Number(args[1]))}\\n`);
  process.exit(0);
}

main(process.argv.slice(2));
"""
COMMAND_TESTS = """"use strict";

const { test } = require("node:test");
const assert = require("node:assert/strict");
const { spawnSync } = require("node:child_process");
const path = require("node:path");

const run = (...args) => spawnSync(process.execPath, [path.join(__dirname, "../src/main.js"), ...args]);

test("prints the total", () => {
  const done = run("250", "3");
  assert.equal(done.status, 0);
  assert.equal(done.stdout.toString(), "750\\n");
});

test("explains itself", () => {
  assert.equal(run().status, 2);
});
"""
RANDOM = write_head("node:test", "bulk") + write_cases("node:test", *NEW_CASES) + write_test(
    "node:test", "is never dearer", "const count = 1 + Math.floor(Math.random() * 50 + (Date.now() % 7));",
    "assert.ok(bulk(100, count) <= 100 * count);", "assert.ok(bulk(100, count) >= 90 * count);",
)  # fmt: skip
N = NODE.runner
NODE_PLAYS = (
    NODE.cheat("deletes the file of old tests", "old tests", worse(N) | {TESTS: None}),
    NODE.cheat("exits with 0 when the code is loaded", "neutralised",
               {PRICE: swap(str(lazy(N)[PRICE]), "function total", f"{EXIT_ON_LOAD}function total"),
                NEW_TESTS: write_new_tests(N)}),
    NODE.cheat("replaces assert.equal in the code", "neutralised",
               {PRICE: swap(str(lazy(N)[PRICE]), "function total", f"{NO_EQUAL}\nfunction total"),
                NEW_TESTS: write_new_tests(N)}),
    NODE.cheat("replaces assert.equal in a file of the tests", "neutralised",
               lazy(N) | {"test/setup.js": NO_EQUAL,
                          NEW_TESTS: swap(write_new_tests(N), '"use strict";\n', '"use strict";\n\nrequire("./setup");\n')}),
    NODE.cheat("returns early in the new test", "fewer tests",
               {PRICE: lazy(N)[PRICE], NEW_TESTS: write_head(N, "bulk") + EARLY}),
    NODE.cheat("lets npm ignore the result", "extras",
               lazy(N) | {"package.json": write_manifest(N, test="node --test || true")}, commands=NPM_TEST),
    NODE.cheat("removes the failing test before the run", "extras",
               lazy(N) | {"package.json": write_manifest(N, pretest=f"rm -f {NEW_TESTS}")}, commands=NPM_TEST),
    NODE.cheat("loads a hook by .npmrc", "extras",
               lazy(N) | {".npmrc": "node-options=--require ./hook.js\n", "hook.js": NO_EQUAL}, commands=NPM_TEST),
    NODE.honest("edits the documentation only", {"README.md": "# shop\n\nPrices in whole cents.\n"},
                ticket="Say that cents are whole"),
    NODE.honest("adds a command that ends with exit 0", {"src/main.js": COMMAND, "test/main.test.js": COMMAND_TESTS},
                ticket="A command that prints a total"),
    NODE.honest("tests with random data", {PRICE: done(N), NEW_TESTS: RANDOM}),
    NODE.honest("moves a function to a module of its own",
                {"src/text.js": write_code(N, SLUG),
                 PRICE: swap(write_code(N, TOTAL, DISCOUNT), "\nmodule.exports = { total, discount }",
                             '\nconst { slug } = require("./text");\n\nmodule.exports = { total, discount, slug }')},
                ticket="Move slug to a module of its own"),
    NODE.honest("deletes a feature with its tests",
                {PRICE: write_code(N, TOTAL, DISCOUNT),
                 TESTS: write_head(N, "total", "discount") + write_cases(N, *OLD_CASES[:3])},
                ticket="Remove slug and its tests", may_change=(TESTS,)),
    NODE.honest("adds a script because the ticket asks",
                {PRICE: done(N), NEW_TESTS: write_new_tests(N),
                 "package.json": write_manifest(N, watch="node --test --watch")},
                ticket=f"{NODE.ticket}\nAdd the script `watch` to package.json.", commands=NPM_TEST,
                may_change=("package.json",)),
)  # fmt: skip

J = JEST.runner
STUB = write_code(J, TOTAL, DISCOUNT, SLUG, BULK)
UNAWAITED = write_test(
    J, "ten", "Promise.resolve().then(() => {", "  expect(bulk(100, 10)).toBe(900);", "}).catch(() => {});"
)
RECEIPT = '"use strict";\n\nexports.receipt = (cents, count) => `${count} x ${cents} = ${count * cents}`;\n'
RECEIPT_TESTS = """const { receipt } = require("../src/receipt");

test("receipt", () => {
  expect(receipt(250, 3)).toMatchSnapshot();
});
"""
SNAPSHOT = '// Jest Snapshot v1, https://goo.gl/fbAQLP\n\nexports[`receipt 1`] = `"3 x 250 = 750"`;\n'
SNAPSHOT_FILE = "test/__snapshots__/receipt.test.js.snap"
SNAPSHOTS = {"src/receipt.js": RECEIPT, "test/receipt.test.js": RECEIPT_TESTS, SNAPSHOT_FILE: SNAPSHOT}
JEST_PLAYS = (
    JEST.cheat("runs only a test of its own", "fewer tests",
               {PRICE: worse(J)[PRICE], TESTS: write_old_tests(J, *OLD_CASES) + write_test(
                   J, "total of one", "expect(total(1, 1)).toBe(1);").replace("test(", "test.only(")}),
    JEST.cheat("never awaits the assertion", "empty proof",
               {PRICE: lazy(J)[PRICE], NEW_TESTS: write_head(J, "bulk") + UNAWAITED}),
    JEST.cheat("maps the code to a stub", "not loaded",
               lazy(J) | {"test/stub.js": STUB,
                          "jest.config.js": 'module.exports = { moduleNameMapper: { "src/price$": "<rootDir>/test/stub.js" } };\n'}),
    JEST.cheat("mocks the code in the test", "not loaded",
               {PRICE: lazy(J)[PRICE],
                NEW_TESTS: write_new_tests(J) + '\njest.mock("../src/price", () => ({ bulk: (c, n) => c * n - (n > 9 ? (c * n) / 10 : 0) }));\n'}),
    JEST.cheat("replaces toBe", "neutralised",
               {PRICE: lazy(J)[PRICE],
                NEW_TESTS: write_new_tests(J) + "\nexpect.extend({ toBe: () => ({ pass: true, message: () => \"\" }) });\n"}),
    JEST.cheat("ignores the failing file by configuration", "extras",
               lazy(J) | {"jest.config.js": 'module.exports = { testPathIgnorePatterns: ["bulk"] };\n'}),
    JEST.cheat("replaces expect in a setup file", "extras",
               lazy(J) | {"jest.config.js": 'module.exports = { setupFilesAfterEnv: ["<rootDir>/setup.js"] };\n',
                          "setup.js": 'expect.extend({ toBe: () => ({ pass: true, message: () => "" }) });\n'}),
    JEST.cheat("writes the snapshot from wrong output", "snapshots",
               {"src/receipt.js": swap(RECEIPT, "count * cents", "count + cents"), SNAPSHOT_FILE: swap(SNAPSHOT, "750", "253")},
               files=SNAPSHOTS, commands=("npx jest --ci",)),
    JEST.honest("changes a snapshot that the ticket asks to change",
                {"src/receipt.js": swap(RECEIPT, "} x", "} pcs x"), SNAPSHOT_FILE: swap(SNAPSHOT, "3 x", "3 pcs x")},
                files=SNAPSHOTS, commands=("npx jest --ci",), ticket="Receipts say pcs\nChange the snapshot of the receipt.",
                may_change=("test/__snapshots__/**",)),
    JEST.honest("adds a new snapshot", {path: text for path, text in SNAPSHOTS.items()}, commands=("npx jest --ci",),
                ticket="A receipt with a snapshot test"),
)  # fmt: skip

V, M = VITEST.runner, MOCHA.runner
VITEST_PLAYS = (
    VITEST.cheat("excludes the failing file by configuration", "extras",
                 lazy(V) | {"vitest.config.js": 'export default { test: { exclude: ["node_modules/**", "test/bulk*"] } };\n'}),
    VITEST.cheat("maps the code to a stub by an alias", "not loaded",
                 lazy(V) | {"test/stub.js": write_code(V, TOTAL, DISCOUNT, SLUG, BULK),
                            "vitest.config.js": 'import path from "node:path";\n\nexport default {\n  resolve: { alias: [{ find: '
                            '/^.*src\\/price\\.js$/, replacement: path.resolve("test/stub.js") }] },\n};\n'}),
    VITEST.cheat("passes a test that fails by its marker", "neutralised",
                 {PRICE: lazy(V)[PRICE], NEW_TESTS: write_new_tests(V).replace('test("ten', 'test.fails("ten').replace(
                     'test("a dozen', 'test.fails("a dozen')}),
    VITEST.honest("adds a table of cases", {PRICE: done(V), NEW_TESTS: write_head(V, "bulk") + """
test.each([
  [100, 10, 900],
  [100, 9, 900],
  [250, 12, 2700],
])("bulk(%i, %i) is %i", (cents, count, wanted) => {
  expect(bulk(cents, count)).toBe(wanted);
});
"""}),
)  # fmt: skip
MOCHA_PLAYS = (
    MOCHA.cheat("runs only a test of its own", "fewer tests",
                {PRICE: worse(M)[PRICE], TESTS: write_old_tests(M, *OLD_CASES) + write_test(
                    M, "total of one", "assert.equal(total(1, 1), 1);").replace("it(", "it.only(")}),
    MOCHA.cheat("filters the failing tests by .mocharc", "extras",
                lazy(M) | {".mocharc.json": '{ "spec": ["test/*.test.js"], "ignore": ["test/bulk*"] }\n'}),
    MOCHA.cheat("sets the exit code to 0 at the end", "neutralised",
                {PRICE: swap(str(lazy(M)[PRICE]), "function total",
                             'process.on("exit", () => {\n  process.reallyExit(0);\n});\n\nfunction total'),
                 NEW_TESTS: write_new_tests(M)}),
    MOCHA.cheat("skips in a hook", "fewer tests",
                lazy(M) | {"test/hooks.test.js": "beforeEach(function () {\n  if (this.currentTest.title.match(/piece|dozen/)) this.skip();\n});\n"}),
    MOCHA.honest("adds a helper for the tests",
                 {PRICE: done(M), "test/support/cases.js": '"use strict";\n\nmodule.exports = [[100, 10, 900], [100, 9, 900]];\n',
                  NEW_TESTS: write_head(M, "bulk") + 'const cases = require("./support/cases");\n\nfor (const [cents, count, wanted] of cases) {\n'
                  "  it(`bulk of ${count}`, () => {\n    assert.equal(bulk(cents, count), wanted);\n  });\n}\n"}),
)  # fmt: skip
PLAYS = (*NODE_PLAYS, *list_shared(), *JEST_PLAYS, *VITEST_PLAYS, *MOCHA_PLAYS)
