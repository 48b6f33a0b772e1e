"""A file that no parser can read does not hide what the change does to other files."""

from __future__ import annotations

import pytest

from integrations.git.changes import Change, Side
from jobs.evidence.tampering import guard
from jobs.loop.state import Contract, Criterion

CONTRACT = Contract(criteria=(Criterion(id="k1", text="tests", command="npm test"),))
DEEP = "[" * 100_000
NESTED = {
    "pyproject.toml": f"a = {DEEP}",
    "package.json": DEEP,
    "tests/data.json": DEEP + "]" * 100_000,
    "src/a.py": "x = " + "-" * 100_000 + "1\n",
    "tests/test_a.py": "x = " + "-" * 100_000 + "1\n",
    "tests/test_b.py": "x = " + "(" * 5_000 + ")" * 5_000 + "\n",
    "src/c.py": "x = " + "1 + " * 100_000 + "1\n",
}


def side(text: str) -> Side:
    return Side("100644", "1" * 40, len(text), text)


@pytest.mark.parametrize("path", NESTED)
def test_guard_finds_a_skipped_test_beside_a_file_that_is_nested_too_deeply(path: str) -> None:
    skipped = Change("tests/a.test.js", side("it('x', () => { expect(1).toBe(1); });\n"), side("it.skip('x');\n"))
    nested = Change(path, side("{}\n"), side(NESTED[path]))

    found = guard([nested, skipped], ("tests/**",), CONTRACT)

    assert skipped.path in {tampering.path for tampering in found.tampering}
    assert skipped.path in found.from_base
