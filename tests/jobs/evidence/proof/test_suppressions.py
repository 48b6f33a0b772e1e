"""Which suppressions of linters and type checkers are stripped."""

from __future__ import annotations

import pytest

from jobs.evidence.proof.suppressions import strip_suppressions


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.py", "x = f(1)  # type: ignore[arg-type]", "x = f(1)"),
        ("a.py", "x = 1  # type: ignore  # noqa: E501", "x = 1"),
        ("a.py", "# pylint: disable=foo\ny", "# suppression removed\ny"),
        ("a.py", 'x = "it\'s"  # noqa', 'x = "it\'s"'),
        ("a.py", "x = 1  # don't  # noqa", "x = 1  # don't"),
        ("a.js", "// eslint-disable-next-line no-console -- why\nf()", "// suppression removed\nf()"),
        ("a.js", "f() /* eslint-disable-line */;", "f() ;"),
        ("a.ts", "// @ts-expect-error\nx", "// suppression removed\nx"),
        ("a.go", "x() //nolint:errcheck // why", "x()"),
        ("a.rs", "#[allow(dead_code)]\nfn x() {}", "// suppression removed\nfn x() {}"),
        ("A.java", '@SuppressWarnings({"a", "b"}) int x;', " int x;"),
        ("a.rb", "x # rubocop:disable Style/Foo", "x"),
        ("a.c", "x(); // NOLINT(foo)", "x();"),
        ("a.cs", "#pragma warning disable CS1234\nx", "// suppression removed\nx"),
        ("a.sh", "# shellcheck disable=SC2034\nx=1", "# suppression removed\nx=1"),
        ("a.php", "// @phpstan-ignore-next-line", "// suppression removed"),
        ("a.css", "/* stylelint-disable */", "/* suppression removed */"),
    ],
)
def test_suppressions_are_stripped_and_lines_kept(path: str, text: str, expected: str) -> None:
    stripped = strip_suppressions(path, None, text)
    assert stripped is not None
    assert stripped.text == expected


@pytest.mark.parametrize(
    "text", ["x = '# noqa'", "ignore = 1  # disable the cache", "x = 1  # fmt: off", "# pragma: no cover"]
)
def test_suppressions_are_not_strings_or_other_comments(text: str) -> None:
    assert strip_suppressions("a.py", None, text) is None


def test_suppressions_of_the_base_commit_are_kept() -> None:
    stripped = strip_suppressions("a.py", "x = 1  # noqa\ny\n", "x = 2  # noqa\ny  # noqa\nz  # noqa: E1\n")
    assert stripped is not None
    assert (stripped.count, stripped.lines) == (2, (1, 3))
