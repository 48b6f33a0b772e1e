"""How snapshots, tables and other test data are altered."""

from __future__ import annotations

import json

import pytest

from jobs.evidence.proof.expectations import falsify


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("tests/a.json", '{\n  "a": 1,\n  "b": ["x"]\n}', '{\n  "a": 7920,\n  "b": ["x~7919"]\n}'),
        ("tests/a.json", '{"a": true}', '{"a": false}'),
        ("tests/a.yaml", "a: 1\nb:\n  - x y\n  - 'z'\nc: |\n", "a: 7920\nb:\n  - x y~7919\n  - 'z~7919'\nc: |\n"),
        ("tests/a.csv", "name,total\na,1\nb,x\n", "name,total\na,7920\nb,x~7919\n"),
        (
            "__snapshots__/a.test.js.snap",
            '// Jest Snapshot v1\n\nexports[`a 1`] = `"x"`;\n\nexports[`b 1`] = `\n{\n  "a": 1,\n}\n`;\n',
            '// Jest Snapshot v1\n\nexports[`a 1`] = `"x7919"`;\n\nexports[`b 1`] = `\n{\n  "a7919": 1,\n}\n`;\n',
        ),
        ("__snapshots__/a.ambr", "# name: test_a\n  'x'\n# ---\n", "# name: test_a\n  'x7919'\n# ---\n"),
        ("testdata/a.golden", "total: 12 EUR\n", "total: 7931 EUR\n"),
        ("tests/a.html", "<p class=x>Hello <b>you</b></p>\n", "<p class=x7919>Hello <b>you</b></p>\n"),
    ],
)
def test_false_data_keep_their_syntax(path: str, text: str, expected: str) -> None:
    found = falsify(path, None, text)
    assert found is not None
    assert found.text == expected
    if path.endswith(".json"):
        assert json.loads(found.text) != json.loads(text)


def test_false_data_are_those_of_added_lines() -> None:
    found = falsify("tests/a.csv", "name,total\na,1\n", "name,total\na,1\nb,2\n")
    assert found is not None
    assert found.text == "name,total\na,1\nb,7921\n"
    assert falsify("tests/a.csv", "name,total\na,1\n", "name,total\na,1\n") is None
