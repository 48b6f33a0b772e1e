"""The reports of node:test, jest, vitest and mocha, with the real runners in a sandbox."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.integrations.test_reports.conftest import Report

NODE_TEST = """
const { test, describe, it } = require('node:test');
const assert = require('node:assert');
test('good', () => {});
test('bad', () => assert.equal(1, 2));
test('later', { skip: 'not yet' }, () => {});
test('planned', { todo: true }, () => { throw new Error(); });
describe('group', () => { it('inner', () => {}); it('wrong', () => { throw new Error('x'); }); });
"""
JEST = """
test('good', () => {});
describe('group', () => { test('bad', () => { throw new Error('x'); }); });
test.skip('later', () => {});
"""
VITEST = "import { describe, test } from 'vitest';\n" + JEST
MOCHA = JEST.replace("test(", "it(").replace("test.skip(", "it.skip(")


def test_node_test_reports_each_test(report: Report) -> None:
    files = {"package.json": '{"scripts": {"test": "node --test test/"}}', "test/a.test.js": NODE_TEST,
             "test/b.test.js": "throw new Error('broken');"}  # fmt: skip
    ran, found = report("node --test test/a.test.js test/b.test.js", files)
    assert (ran.exit_code, found.source) == (1, "node:test")
    assert set(found.passed) == {"test/a.test.js > good", "test/a.test.js > group > inner"}
    names = ("bad", "group", "group > wrong")
    assert set(found.failed) == {*(f"test/a.test.js > {name}" for name in names), "test/b.test.js"}
    assert set(found.skipped) == {"test/a.test.js > later", "test/a.test.js > planned"}
    assert b"# pass 2" in ran.output


def test_node_test_with_a_reporter_of_its_own_keeps_it(report: Report) -> None:
    command = "node --test --test-reporter=dot a.test.js; exit $((2 + $?))"
    ran, found = report(command, {"a.test.js": "require('node:test')('good', () => {});"})
    assert (ran.exit_code, found.passed) == (2, ("a.test.js > good",))
    assert ran.output.strip() == b"."


def test_node_test_without_its_runner_reports_by_its_output(report: Report) -> None:
    ran, found = report("node a.js", {"a.js": NODE_TEST})
    assert (ran.exit_code, found.source) == (1, "TAP")
    assert (set(found.passed), set(found.skipped)) == ({"good", "group > inner"}, {"later", "planned"})
    assert set(found.failed) == {"bad", "group", "group > wrong"}


def test_node_keeps_the_environments_own_options(report: Report) -> None:
    files = {"own.cjs": "globalThis.own = 'kept';", "a.js": "console.log(own)"}
    ran, _ = report("node a.js", files, variables={"NODE_OPTIONS": "--require=./own.cjs"})
    assert (ran.exit_code, ran.output) == (0, b"kept\n")


def install(folder: Path, package: str) -> Path:
    """The `node_modules` folder with the package."""
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"private": True}))
    command = ["npm", "install", "--no-audit", "--no-fund", "--silent", package]
    subprocess.run(command, cwd=folder, check=True, timeout=110)
    return folder / "node_modules"


@pytest.mark.long
@pytest.mark.parametrize(
    ("package", "script", "files"),
    [
        ("jest@30", "jest --ci", {"a.test.js": JEST}),
        ("vitest@4", "vitest run", {"a.test.js": VITEST}),
        ("vitest@1", "vitest run", {"a.test.js": VITEST}),
        ("mocha@11", "mocha a.test.js", {"a.test.js": MOCHA}),
        ("mocha@12", "mocha a.test.js", {"a.test.js": MOCHA}),
    ],
)
def test_npm_runner_reports_each_test(
    report: Report, tmp_path: Path, package: str, script: str, files: dict[str, str]
) -> None:
    modules = install(tmp_path / "npm", package)
    scripts = json.dumps({"scripts": {"test": script}})
    command = f"cp -r {modules} node_modules && npm test"
    ran, found = report(command, {"package.json": scripts, **files}, read_only=[modules], timeout=100)
    assert ran.exit_code == 1
    assert found.source == package.partition("@")[0]
    assert found.passed == ("a.test.js > good",), ran.output
    assert (found.failed, found.skipped) == (("a.test.js > group > bad",), ("a.test.js > later",))
    assert b"good" in ran.output
