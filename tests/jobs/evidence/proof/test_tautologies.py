"""Assertions that cannot fail are not altered: their tests still pass with false expectations, which refutes them."""

from __future__ import annotations

import pytest

from jobs.evidence.proof.expectations import falsify

TAUTOLOGIES = {
    "a.py": [
        "assert price == price or price == 900", "assert 1 == 1", "assert True", "assert f() is f()",
        "self.assertEqual(f(1), f(1))", "self.assertTrue(True)", "assert (a == b) == (a == b)",
    ],
    "a.test.js": ["expect(f(1)).toBe(f(1));", "expect(true).toBe(true);", "assert(f(1) === f(1));"],
    "a_test.go": ["assert.Equal(t, f(1), f(1))"],
    "a_spec.rb": ["expect(f(1)).to eq(f(1))", "assert_equal f(1), f(1)", "assert true"],
    "a.rs": ["assert_eq!(f(1), f(1));", "assert!(true);"],
    "ATest.java": ["assertEquals(f(1), f(1));", "assertTrue(true);", "assertThat(f(1)).isEqualTo(f(1));"],
}  # fmt: skip
ASSERTIONS = {
    "a.py": ["assert f(1) == f(2)", "assert x", "self.assertEqual(f(1), f(2))", "assert [1, 2] == sorted(x)"],
    "a.test.js": ["expect(f(1)).toBe(f(2));", "assert.strictEqual(f(1), 3);", ".expect(200, '1000', done)"],
    "a_test.go": ["assert.Equal(t, f(1), f(2))"],
    "a_spec.rb": ["expect(f(1)).to eq(3)", "f(1).must_equal 3"],
    "a.rs": ["assert_eq!(f(1), f(2));"],
    "ATest.java": ['assertEquals("message", 4, f(2));'],
}


@pytest.mark.parametrize(("path", "line"), [(path, line) for path, lines in TAUTOLOGIES.items() for line in lines])
def test_tautology_is_not_altered(path: str, line: str) -> None:
    assert falsify(path, None, f"{line}\n") is None


@pytest.mark.parametrize(("path", "line"), [(path, line) for path, lines in ASSERTIONS.items() for line in lines])
def test_assertion_is_altered(path: str, line: str) -> None:
    found = falsify(path, None, f"{line}\n")

    assert found and found.text != f"{line}\n"
