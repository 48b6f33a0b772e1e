"""What the false expectations of a test look like, by language."""

from __future__ import annotations

import pytest

from jobs.evidence.proof.expectations import falsify

PYTHON = [
    ("assert f(2) == 4", "assert f(2) == 7923"),
    ('assert f("a") == "b", "message"', 'assert f("a") == "b~7919", "message"'),
    ("self.assertEqual(4, f(2))", "self.assertEqual(7923, f(2))"),
    ("self.assertEqual(f(2), [1, 2])", "self.assertEqual(f(2), [7920, 2])"),
    ('assert f(x) == {"a": 1,\n  "b": [2]}', 'assert f(x) == {"a": 7920,\n  "b": [2]}'),
    ('assert f(2) == f"{x} a"', 'assert f(2) == f"{x} a~7919"'),
    ('assert x == r"a\\b"', 'assert x == r"a\\b~7919"'),
    ('assert x == ""', 'assert x == "~7919"'),
    ("assert x", "assert not (x)"),
    ("assert not x", "assert x"),
    ("assert x is None", "assert x is not None"),
    ("assert x != 4", "assert x == 4"),
    ("assert len(x) > 3", "assert len(x) <= 3"),
    ("assert a == 1 or b", "assert not (a == 1 or b)"),
    ("assert f(x) == g(y)", "assert f(x) == (g(y), 7919)"),
    ("assert f(2) == expected", "assert f(2) == (expected, 7919)"),
    ('assert x == Decimal("3")', 'assert x == Decimal("3~7919")'),
    ("self.assertTrue(x)", "self.assertFalse(x)"),
    ('with pytest.raises(ValueError, match="x"):', 'with pytest.raises(FloatingPointError, match="x"):'),
    ("if x != 3:\n    raise AssertionError", "if x != 7922:\n    raise AssertionError"),
]
SCRIPT = [
    ("expect(f(2)).toBe(4)", "expect(f(2)).toBe(7923)"),
    ("expect(f(2)).not.toBe(4)", "expect(f(2)).toBe(4)"),
    ("expect(x).toBeTruthy()", "expect(x).not.toBeTruthy()"),
    ("expect(x).toBeLessThan(4)", "expect(x).not.toBeLessThan(4)"),
    ("expect(x).toBe(y)", "expect(x).toBe([y, 7919])"),
    ("expect(x).toMatch(/a$/i)", "expect(x).toMatch(/(?!)(?:a$)/i)"),
    ("expect(() => f(1)).toThrow(/x/)", "expect(() => f(1)).not.toThrow(/x/)"),
    ("assert.strictEqual(f(2), 4)", "assert.strictEqual(f(2), 7923)"),
    ("assert.throws(() => f(1), TypeError)", "assert.doesNotThrow(() => f(1), TypeError)"),
    ("assert.ok(x)", "assert.ok(!(x))"),
    ("t.is(slugify('a b'), 'a-b');", "t.is(slugify('a b'), 'a-b~7919');"),
    (".expect(200, '1000', done)", ".expect(8119, '1000', done)"),
    ("expect(x).to.equal('a')", "expect(x).to.equal('a~7919')"),
    ("x.should.be.ok()", "x.should.not.be.ok()"),
]
GO = [
    ('if got != want {\n\tt.Errorf("x")\n}', 'if got == want {\n\tt.Errorf("x")\n}'),
    ("if x != 3 {\n\tt.Fatal()\n}", "if x != 4 {\n\tt.Fatal()\n}"),
    ("if err := f(2); err != nil {\n\tt.Fatal(err)\n}", "if err := f(2); err == nil {\n\tt.Fatal(err)\n}"),
    ('if !ok {\n\tt.Error("x")\n}', 'if ok {\n\tt.Error("x")\n}'),
    ("require.Equal(t, 4, f(2))", "require.Equal(t, 5, f(2))"),
    ('assert.Equal(t, "a", v.Get("b"))', 'assert.Equal(t, "a~7919", v.Get("b"))'),
    ("assert.NoError(t, err)", "assert.Error(t, err)"),
]
RUBY = [
    ("assert_equal 4, f(2)", "assert_equal 7923, f(2)"),
    ('_(f(2)).must_equal "x"', '_(f(2)).must_equal "x~7919"'),
    ("expect(f(2)).to eq(4)", "expect(f(2)).to eq(7923)"),
    ("expect(f(2)).not_to eq(4)", "expect(f(2)).to eq(4)"),
    ("expect(x).to be_nil", "expect(x).not_to be_nil"),
    ("expect { f(1) }.to raise_error(ArgumentError)", "expect { f(1) }.to raise_error(FloatDomainError)"),
    ("assert_raises(ArgumentError) { f(1) }", "assert_raises(FloatDomainError) { f(1) }"),
    ("assert_equal expected, f(2)", "assert_equal expected, [f(2), 7919]"),
    ("x.must_be :ok?", "x.wont_be :ok?"),
    ("x.should == 4", "x.should == 7923"),
]
RUST = [
    ("#[should_panic]\nfn x() {}", "#[cfg(all())]\nfn x() {}"),
    ("assert_eq!(f(2), 4);", "assert_eq!(f(2), 5);"),
    ('assert_eq!(f(2), Some("a"));', 'assert_eq!(f(2), Some("a~7919"));'),
    ("assert_eq!(f(&[1]), vec![255u8, 2]);", "assert_eq!(f(&[1]), vec![254u8, 2]);"),
    ("assert_eq!(x, b'a');", "assert_eq!(x, b'q');"),
    ("assert_ne!(x, 4);", "assert_eq!(x, 4);"),
    ("assert!(f(x).is_ok());", "assert!(!(f(x).is_ok()));"),
    ('assert!(x == 4, "m {}", 3);', 'assert!(x == 5, "m {}", 3);'),
]
JAVA = [
    ("assertEquals(4L, f(2));", "assertEquals(5L, f(2));"),
    ('assertEquals("message", 4, f(2));', 'assertEquals("message", 5, f(2));'),
    ('assertEquals("a", f("b"), "message");', 'assertEquals("a~7919", f("b"), "message");'),
    ("assertTrue(x.isFoo());", "assertFalse(x.isFoo());"),
    ("assertThat(f(2)).isEqualTo(4);", "assertThat(f(2)).isEqualTo(5);"),
    ("assertThat(x).isNull();", "assertThat(x).isNotNull();"),
    ("assertThrows(FooException.class, () -> f(1));", "assertThrows(IllegalMonitorStateException.class, () -> f(1));"),
]
CASES = [
    pytest.param(path, before, after, id=f"{path} {before}"[:60])
    for path, cases in (
        ("test_a.py", PYTHON), ("a.test.js", SCRIPT), ("a_test.go", GO), ("a_spec.rb", RUBY), ("tests/a.rs", RUST),
        ("ATest.java", JAVA),
    )
    for before, after in cases
]  # fmt: skip


@pytest.mark.parametrize(("path", "text", "expected"), CASES)
def test_false_expectations_alter_what_stands_alone(path: str, text: str, expected: str) -> None:
    found = falsify(path, None, text + "\n")
    assert found is not None
    assert (found.text, found.places) == (expected + "\n", 1)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("test_a.py", "def assert_even(x): pass"),
        ("test_a.py", '"""\nassert x == 1\n"""'),
        ("test_a.py", "x = 4"),
        ("a.test.js", "const assert = require('assert')"),
        ("ATest.java", "public void assertEven(int x) {\n}"),
    ],
)
def test_false_expectations_leave_what_asserts_nothing(path: str, text: str) -> None:
    assert falsify(path, None, text) is None


def test_false_expectations_are_those_of_added_lines() -> None:
    before = "assert f(1) == 1\nassert f(2) == 2\n"
    found = falsify("test_a.py", before, "assert f(2) == 2\nassert f(3) == 3\nassert f(1) == 1\n")
    assert found is not None
    assert found.text == "assert f(2) == 2\nassert f(3) == 7922\nassert f(1) == 1\n"
    assert falsify("test_a.py", before, "assert f(2) == 2\nassert f(1) == 1\n") is None
