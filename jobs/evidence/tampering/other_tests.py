"""Compares tests in other languages than Python by patterns: JavaScript, TypeScript, Go, Rust, Java and similar, Ruby.

Called by `jobs.evidence.tampering`. A test is the list of statements between its braces (or `do` and `end`); layout,
comments, quotes and trailing commas are ignored. All old statements have to be kept, in the same order.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from integrations.results import Tampering, TamperKind
from jobs.evidence.tampering.cases import is_subsequence
from jobs.evidence.tampering.product import family, split_lines

_NAME = r"""(?P<name>"(?:[^"\\]|\\.)*")"""
_STARTS = {
    "js": re.compile(rf"\b(?:it|test|specify|fit|xit|xtest)(?P<flag>(?:\.\w+)*)(?:\(\s*\[|`|\s*\(\s*{_NAME})"),
    "go": re.compile(r"^func (?P<name>(?!TestMain\b)(?:Test|Fuzz|Example)\w*)\(", re.MULTILINE),
    "rs": re.compile(
        r"#\[(?:\w+::)*(?:test|rstest|test_case)\b[^\]]{0,200}\](?:\s*#\[[^\]]{0,200}\]){0,10}"
        r"\s*(?:pub\s+)?(?:async\s+)?fn (?P<name>\w+)"
    ),
    "java": re.compile(
        r"@(?:Test|ParameterizedTest|Fact|Theory)\b(?:\([^)]*\))?[^{;]{0,400}?(?P<name>`[^`]+`|\"[^\"]+\"|\w+)\s*\("
    ),
    "rb": re.compile(
        rf"^(?P<indent>[ \t]*)(?:(?:it|specify|test|scenario)\s*\(?{_NAME}|def (?P<method>test_\w+)).*$", re.MULTILINE
    ),
    "ex": re.compile(rf"^(?P<indent>[ \t]*)test\s+{_NAME}.*$", re.MULTILINE),
    "php": re.compile(r"function (?P<name>test\w+)\("),
}
_SKIPS = {
    "js": re.compile(
        r"\b(?:it|test|describe|context|suite)\.(?:skip|todo|only|fixme|failing|skipIf|runIf)\b"
        r"|\b[xf](?:it|describe|test|context)\b(?=\s*\()|\bthis\.skip\(|\bpending\("
    ),
    "go": re.compile(r"\bt\.Skip(?:Now|f)?\(|^//go:build (?:ignore|never)|^// \+build ignore"),
    "rs": re.compile(r"#\[ignore\b|#\[cfg\(any\(\)\)\]|#\[should_panic\]"),
    "java": re.compile(r"@(?:Disabled|Ignore|DisabledIf\w*)\b|\bassume(?:True|False|That)\(|\bSkip\s*="),
    "rb": re.compile(r"^\s*(?:skip|pending)\b|\b[xf](?:it|describe|context|specify)\b|,\s*(?:skip|pending|focus):"),
    "ex": re.compile(r"@tag :?skip|@moduletag :?skip|@tag :pending"),
    "php": re.compile(r"markTestSkipped|markTestIncomplete"),
}
_AROUND = {
    "js": re.compile(r"^\s*(if\s*\(|return\b|throw\b)|\b(jest|vi)\.(mock|doMock)\("),
    "go": re.compile(r"^func TestMain\("),
}
_CLAIM = re.compile(
    r"\bexpect\b|\bassert|\bshould|\bt\.(?:Error|Fatal|Fail)|\brequire\.|\brefute|\bverify\(|must_|panic!|\bAssert\."
)
_CONTROL = re.compile(r"^(?:if|try|while|for|switch|match|return|begin|rescue|unless|catch|else|break|continue)\b")
_MOST_TESTS, _LONGEST = 1_000, 50_000  # tests per file, characters per test; everything beyond counts as removed
_CONTINUATION = re.compile(r"[{(.:#]|->|(throws|fn|pub|async|void|public|private|fun|error|Result)\b")
_STRING = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`""")


@dataclass(frozen=True)
class _Test:
    name: str
    line: int
    statements: tuple[str, ...]
    height: int = 0
    """Lines below the first."""

    @property
    def claims(self) -> list[str]:
        return [s for s in self.statements if _CLAIM.search(s)]


def holds_tests(path: str, text: str) -> bool:
    """Whether the file contains tests in a supported language; in Rust, tests are next to the code."""
    return family(path) in _STARTS and _STARTS[family(path)].search(strip_comments(path, text)) is not None


def compare_others(files: Sequence[tuple[str, str | None, str | None]]) -> Iterator[Tampering]:
    """Yield findings about existing tests. `files` are (path, before, after)."""
    after = {path: _read_tests(path, text) for path, _, text in files if text}
    everywhere = [t for tests in after.values() for t in tests]
    old = {t.statements for path, before, _ in files if before for t in _read_tests(path, before)}
    fresh = [t for t in everywhere if t.statements not in old]
    for path, before, _ in files:
        for test in _read_tests(path, before) if before else ():
            yield from _compare_test(path, test, after.get(path, []), everywhere, fresh)
    had = {skip for path, before, _ in files if before for _, skip in _find_skips(path, before)}
    for path, before, text in files:
        for line, skip in _find_skips(path, text) if text else ():
            if skip not in had:
                yield Tampering(kind="test_skipped", path=path, line=line, text=skip[:200])
        if before and text:
            yield from _compare_surroundings(path, before, text)


def _compare_surroundings(path: str, before: str, after: str) -> Iterator[Tampering]:
    """Yield new conditions and module mocks around the tests of a file, and a removed `#[cfg(test)]`."""
    pattern = _AROUND.get(family(path))
    old = {"".join(line.split()) for line in before.splitlines()}
    tests = [(t.line, t.line + t.height) for t in _read_tests(path, after)]
    for number, line in enumerate(split_lines(strip_comments(path, after)), 1):
        inside = any(first <= number <= last for first, last in tests)
        if pattern and tests and not inside and pattern.search(line) and "".join(line.split()) not in old:
            yield Tampering(kind="test_skipped", path=path, line=number, text=line.strip()[:200])
    if before.count("#[cfg(test)]") > after.count("#[cfg(test)]"):
        yield Tampering(kind="test_skipped", path=path, text="#[cfg(test)]")


def _compare_test(
    path: str, test: _Test, here: Sequence[_Test], everywhere: Sequence[_Test], fresh: Sequence[_Test]
) -> Iterator[Tampering]:
    same = [t for t in here if t.name == test.name]
    if any(is_subsequence(test.statements, t.statements) and not _is_hindered(test, t) for t in same):
        return
    if any(test.statements == t.statements for t in everywhere):
        return
    if not same:
        claims = test.claims
        moved = bool(claims) and all(any(c in t.statements for t in fresh) for c in claims)
        if not moved and not any(test.name == t.name and is_subsequence(test.statements, t.statements) for t in fresh):
            yield Tampering(kind="test_removed", path=path, text=test.name)
        return
    given = [s for t in same for s in t.statements]
    lost = [s for s in test.statements if s not in given]
    kind: TamperKind = "assertion_weakened" if any(map(_CLAIM.search, lost)) or not lost else "test_changed"
    shown = next(filter(_CLAIM.search, lost), lost[0] if lost else test.name)
    yield Tampering(kind=kind, path=path, line=same[0].line, text=shown[:200])


def _is_hindered(old: _Test, new: _Test) -> bool:
    """Whether new control flow before an old assertion can prevent it from being reached."""
    if not old.claims:
        return False
    last = max(n for n, s in enumerate(new.statements) if s == old.claims[-1])
    inserted = [s for s in new.statements[:last] if s not in old.statements]
    return any(_CONTROL.match(s) for s in inserted)


def _find_skips(path: str, text: str) -> Iterator[tuple[int, str]]:
    pattern = _SKIPS.get(family(path))
    code = text if family(path) == "go" else strip_comments(path, text)  # build constraints are comments
    for number, line in enumerate(split_lines(code), 1):
        if pattern and pattern.search(line):
            yield number, line.strip()


def _read_tests(path: str, text: str) -> list[_Test]:
    language = family(path)
    pattern = _STARTS.get(language)
    if pattern is None:
        return []
    code, found = strip_comments(path, text), []
    for match in itertools.islice(pattern.finditer(code), _MOST_TESTS):
        groups = match.groupdict()
        name = groups.get("name") or groups.get("method") or "table"
        if groups.get("flag") and re.search(r"skip|todo", groups["flag"]):
            continue  # it is skipped
        if language == "js" and re.match(r"x(it|test)", match[0]):
            continue
        body = _cut_indented(code, match) if language in ("rb", "ex") else _cut_braced(code, match.start())
        found.append(
            _Test(
                name.strip("\"'`"),
                code.count("\n", 0, match.start()) + 1,
                _split_statements(body, language),
                body.count("\n"),
            )
        )
    return found


def strip_comments(path: str, text: str) -> str:
    """Remove comments and normalize quotes; line numbers do not change."""
    hashes = family(path) in ("rb", "ex")
    comment = r"\#(?!\{)[^\n]*" if hashes else r"//[^\n]*|/\*.*?\*/"
    tokens = re.compile(rf"(?P<string>{_STRING.pattern})|(?P<comment>{comment})", re.DOTALL)

    def keep(match: re.Match[str]) -> str:
        if match["comment"]:
            return "\n" * match[0].count("\n")
        simple = match[0][0] == "'" and '"' not in match[0] and family(path) != "rs"
        return f'"{match[0][1:-1]}"' if simple else match[0]

    return tokens.sub(keep, text)


def _cut_braced(code: str, start: int) -> str:
    """Return the code from `start` to the closing bracket of the first one; strings are skipped."""
    depth, position = 0, start
    while position < min(len(code), start + _LONGEST):
        string = _STRING.match(code, position)
        if string:
            position = string.end()
            continue
        if code[position] in "({[":
            depth += 1
        elif code[position] in ")}]":
            depth -= 1
            rest = code[position + 1 :].lstrip()
            if depth <= 0 and not _CONTINUATION.match(rest):
                return code[start : position + 1]
        position += 1
    return code[start:position]


def _cut_indented(code: str, match: re.Match[str]) -> str:
    end = re.compile(rf"^{match['indent']}end\b", re.MULTILINE).search(code, match.end(), match.end() + _LONGEST)
    return code[match.start() : end.start() if end else match.end()]


def _split_statements(body: str, language: str) -> tuple[str, ...]:
    """Split into statements without layout, at semicolons, braces, and line ends outside of parentheses."""
    found, current, depth = [], "", 0
    tokens = re.findall(rf"{_STRING.pattern}|\n|\w+|[^\w\s]", body)
    for n, token in enumerate(tokens):
        following = next((t for t in tokens[n + 1 :] if t != "\n"), "")
        if token in "([":
            depth += 1
        elif token in ")]":
            depth -= 1
        ends = (
            token == ";"
            or token in "{}"
            or (token == "\n" and depth <= 1 and following not in (".", "?", ":", "&", "|", ")", "]", ","))
        )
        if token == "\n" and current.endswith((",", "(", "=", ".", "+", "&", "|", "=>")):
            ends = False
        if token == "," and following in (")", "]", "}"):
            continue
        if ends:
            found.append(current)
            current = ""
        elif token != "\n":
            current += f" {token}" if current and current[-1].isalnum() and token[0].isalnum() else token
    return tuple(s for s in [*found, current][1:] if s.strip("(){}[] "))
