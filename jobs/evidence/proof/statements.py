"""Finds the assertions in the tokens of a test and makes each of them false. Called by `expectations`. Pure.

An assertion is altered in its expected literal, the one that stands alone; what has none is turned into its opposite.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobs.evidence.proof.literals import STEP, alter_first, is_literal
from jobs.evidence.proof.negation import NEGATIVE, OPPOSITE_SIGNS, ORDERING, RAISING, negate_word
from jobs.evidence.proof.tokens import Edit, Family, Token

Edits = list[Edit]
_CALL = re.compile(
    r"_*(debug_)?assert\w*|\w*_assert\w*|[a-z]*Assert\w*|XCTAssert\w*|refute\w*|(EXPECT|ASSERT|CHECK|REQUIRE|BOOST)\w*"
    r"|t|verify\w*|check\w*|ensure\w*|require|test_[a-z_]+|is|ok|eq|same|equals?|deepEqual|strictEqual|deepStrictEqual"
    r"|notEqual|raises|warns|isnt|cmp_ok|like|is_deeply|affirm\w*"
)
_CHAIN = re.compile(r"expect\w*|is_expected|assertThat|assert_that|should\w*|must_\w+|wont_\w+|expectThat|_?that|must")
_DEFINING = frozenset("def func function fn fun class void sub defp macro_rules import from use using package".split())
_STATEMENT = frozenset("return await yield else do then and or not in lambda case if unless in".split())
_GUARD = re.compile(
    r"(\b|\.)(Error|Fatal|Fail|FailNow|Errorf|Fatalf|throw|raise|panic!?|fail|exit|abort|reject|fail!|flunk)\b"
)
_CONTINUING = frozenset(["\\", ".", ",", "==", "!=", "===", "&&", "||", "+", "=>", "?", ":", "and", "or", "|", "="])
_CONTINUED = re.compile(r"\s*(?:\.\w|&\.|\?\.|&&|\|\|)")
_CONSTRUCTOR = re.compile(
    r"vec|new|json|approx|datetime|date|timedelta|set|frozenset|list|tuple|dict|bytes|bytearray|u?int\d*|float\d*"
)
_EQUALITY = re.compile(
    r"toBe|toEqual|toStrictEqual|to_equal|equals?|eql|eq|[dD]eepEqual|strictEqual|deepStrictEqual|must_equal|assert_equal"
    r"|assertEquals?|assertSame|assertListEqual|assertDictEqual|is|same|assert_eq"
)
_JOINS = frozenset({"or", "||", "and", "&&", "?"})


@dataclass(frozen=True)
class Statement:
    """The tokens of one assertion. `anchor` is the place of the word that asserts."""

    tokens: Sequence[Token]
    anchor: int
    family: Family
    text: str


def find_end(tokens: Sequence[Token], at: int, family: Family) -> int:
    """The place after the last token of the statement that contains the token at `at`."""
    depth = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind == "open":
            if token.text == "{" and depth == 0 and family in ("go", "rust", "java") and _opens_block(tokens, at):
                return at
            depth += 1
        elif token.kind == "close":
            depth -= 1
            if depth < 0:
                return at
        elif depth == 0 and (token.text == ";" or (token.kind == "line" and not _continues(tokens, at, family))):
            return at
        at += 1
    return at


def is_unfinished(tokens: Sequence[Token], at: int, text: str, family: Family) -> bool:
    """Whether the statement at `at` goes on after the last line of `tokens`."""
    depth = 0
    for token in tokens[at:]:
        depth += {"open": 1, "close": -1}.get(token.kind, 0)
        if depth < 0:
            return False
    if depth > 0:
        return True
    last = tokens[-2].text if len(tokens) > 1 else ""
    if last in _CONTINUING and not _ends_line(last, family):
        return True
    if family == "python" or not tokens or tokens[-1].kind != "line":
        return False
    return _CONTINUED.match(text, tokens[-1].end) is not None


def find_condition_end(tokens: Sequence[Token], at: int, family: Family) -> int:
    """The place after the condition of an `if` that begins at `at`: its block."""
    if at < len(tokens) and tokens[at].text == "(" and family in ("script", "java", "php"):
        return find_close(tokens, at) + 1
    depth = 0
    for place in range(at, min(len(tokens), at + 400)):
        token = tokens[place]
        if depth == 0 and (
            token.text == "{" and _opens_block(tokens, place) or token.text == ":" and family == "python"
        ):
            return place
        if depth == 0 and token.kind == "line" and not _continues(tokens, place, family):
            return place
        depth += {"open": 1, "close": -1}.get(token.kind, 0)
        if depth < 0:
            return place
    return len(tokens)


def _opens_block(tokens: Sequence[Token], at: int) -> bool:
    return at + 1 < len(tokens) and tokens[at + 1].kind == "line" and tokens[at - 1].text not in ("(", ",", "=", ":")


def _continues(tokens: Sequence[Token], at: int, family: Family) -> bool:
    before = tokens[at - 1].text if at else ""
    if before in _CONTINUING:
        return not _ends_line(before, family)
    after = next((one for one in tokens[at : at + 6] if one.kind != "line"), None)
    return after is not None and after.text in (".", "?.", "&", "&&", "||") and family != "python"


def _ends_line(sign: str, family: Family) -> bool:
    return (sign == ":" and family == "python") or (sign == "?" and family == "ruby")


def split_arguments(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """The parts between the commas at the top level, without line ends."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"open": 1, "close": -1}.get(token.kind, 0)
        if token.text == "," and depth == 0:
            parts.append([])
        elif token.kind != "line":
            parts[-1].append(token)
    return [part for part in parts if part]


def find_close(tokens: Sequence[Token], at: int) -> int:
    """The place of the bracket that closes the one at `at`, or the number of tokens."""
    depth = 0
    for place in range(at, len(tokens)):
        depth += {"open": 1, "close": -1}.get(tokens[place].kind, 0)
        if depth == 0:
            return place
    return len(tokens)


def is_anchor(tokens: Sequence[Token], at: int, family: Family) -> bool:
    """Whether the word at `at` begins an assertion."""
    token = tokens[at]
    word = token.text
    if _CHAIN.fullmatch(word):
        return _is_used(tokens, at) and not _names_test(tokens, at, word)
    if not _CALL.fullmatch(word):
        return False
    after = tokens[at + 1] if at + 1 < len(tokens) else token
    if word == "t":
        return (
            family == "script"
            and after.text == "."
            and at + 2 < len(tokens)
            and negate_word(tokens[at + 2].text) is not None
        )
    if after.text in ("=", ":=", ":", ",", "?") or after.kind in ("line", "close"):
        return False
    if family == "go" and after.text not in ("(", "."):
        return False
    if word.startswith("test_") and after.text == ".":
        return False
    if word in ("is", "ok", "eq", "same", "require", "equal", "equals", "like") or word.startswith("test_"):
        return (
            after.text in ("(", ".")
            and word != "require"
            and _is_used(tokens, at)
            and word not in ("is",)
            or (word in ("is", "require") and after.text in ("(", ".") and _is_method(tokens, at, word, after))
        )
    return _is_used(tokens, at) and after.kind not in ("line", "close") and after.text not in ("=", ":", ",")


def _is_method(tokens: Sequence[Token], at: int, word: str, after: Token) -> bool:
    before = tokens[at - 1].text if at else ""
    return before == "." or (word == "require" and after.text == ".") or (word == "is" and before not in ("a",))


def _names_test(tokens: Sequence[Token], at: int, word: str) -> bool:
    after = tokens[at + 1].text if at + 1 < len(tokens) else ""
    if word.startswith("expect") and word != "expect_raises":
        return after not in ("(", "{", "do", ".", "!")
    return word == "should" and after[:1] in ("'", '"')


def _is_used(tokens: Sequence[Token], at: int) -> bool:
    before = tokens[at - 1] if at else None
    if before is None or before.kind != "word":
        return before is None or before.text not in ("@", "$")
    return before.text not in _DEFINING and (before.text in _STATEMENT)


def falsify_statement(statement: Statement) -> Edits:
    """The edits that make an assertion false, none if there is no way."""
    word = statement.tokens[statement.anchor].text
    if raised := _falsify_raise(statement):
        return raised
    before = statement.tokens[statement.anchor - 1].text if statement.anchor else ""
    if word == "t" or (word == "raises" and statement.family == "python"):
        return _falsify_call(statement) if word == "t" else []
    if _CHAIN.fullmatch(word):
        return _falsify_expectation(statement, before == ".")
    after = statement.tokens[statement.anchor + 1].text if statement.anchor + 1 < len(statement.tokens) else "("
    if (
        word == "assert"
        and after not in ("(", ".", "!")
        or (word == "assert" and statement.family in ("python", "java"))
    ):
        return _falsify_condition(statement, statement.anchor + 1)
    return _falsify_call(statement)


def _falsify_raise(statement: Statement) -> Edits:
    for at in range(statement.anchor, min(len(statement.tokens), statement.anchor + 400)):
        token = statement.tokens[at]
        if token.kind == "word" and RAISING.fullmatch(token.text) and _asks_exception(statement, at):
            break
    else:
        return []
    return falsify_raising(statement, at)


def _asks_exception(statement: Statement, at: int) -> bool:
    if at == statement.anchor or statement.family == "ruby":
        return True
    is_method = statement.tokens[at - 1].text in (".", "::", "->")
    return is_method and (statement.family in ("script", "java") or at == _find_verb(statement))


def falsify_raising(statement: Statement, at: int) -> Edits:
    """The edits that ask for another exception than the one at the word at `at`."""
    tokens, family = statement.tokens, statement.family
    token = tokens[at]
    if family == "script":
        return _negate_raising(tokens, at)
    if family in ("python", "ruby", "php") and at + 1 < len(tokens):
        first = at + 2 if tokens[at + 1].text == "(" else at + 1
        while first + 1 < len(tokens) and tokens[first].kind == "line":
            first += 1
        end = first
        while end < len(tokens) and tokens[end].text not in (",", ")", "{", "do", "=") and tokens[end].kind != "line":
            end = find_close(tokens, end) + 1 if tokens[end].kind == "open" else end + 1
        if (
            end > first
            and (family == "python" or tokens[first].text[:1].isupper())
            or tokens[first : first + 1]
            and tokens[first].text == "("
        ):
            other = {"python": "FloatingPointError", "ruby": "FloatDomainError"}.get(family, "\\ArithmeticError::class")
            return [Edit(tokens[first].start, tokens[end - 1].end, other)]
    if family == "ruby" and token.text.startswith("raise_"):
        return _negate_chain(statement, statement.anchor)
    if family == "java":
        return _change_exception_class(tokens, at, statement.text)
    if opposite := negate_word(token.text):
        return [Edit(token.start, token.end, opposite)]
    return []


def _change_exception_class(tokens: Sequence[Token], at: int, text: str) -> Edits:
    """Another class of exception, where the type of the caught exception is not needed in what follows."""
    start = text.rfind("\n", 0, tokens[at].start) + 1
    is_assigned = "=" in text[start : tokens[at].start]
    if is_assigned or at + 4 >= len(tokens):
        return []
    if tokens[at + 1].text == "(":
        end = next((place for place in range(at + 2, min(at + 12, len(tokens))) if tokens[place].text == "class"), None)
        return [Edit(tokens[at + 2].start, tokens[end].end, "IllegalMonitorStateException.class")] if end else []
    if tokens[at + 1].text == "<" and tokens[at + 3].text == ">":
        return [Edit(tokens[at + 2].start, tokens[at + 2].end, "System.DuplicateWaitObjectException")]
    return []


def _negate_raising(tokens: Sequence[Token], at: int) -> Edits:
    token = tokens[at]
    if at > 1 and tokens[at - 2].text == "not":
        return [Edit(tokens[at - 2].start, token.start, "")]
    if token.text in ("rejects", "resolves") and at + 2 < len(tokens) and tokens[at + 1].text == ".":
        return (
            [Edit(tokens[at + 2].start, tokens[at + 2].start, "not.")]
            if tokens[at + 2].text != "not"
            else [Edit(tokens[at + 2].start, tokens[at + 2].end + 1, "")]
        )
    if opposite := negate_word(token.text) or {"throws": "doesNotThrow"}.get(token.text):
        opposite = "doesNotThrow" if token.text == "throws" and tokens[at - 2].text == "assert" else opposite
        return [Edit(token.start, token.end, opposite)]
    return [Edit(token.start, token.start, "not.")] if tokens[at - 1].text == "." else []


def _falsify_expectation(statement: Statement, is_method: bool) -> Edits:
    tokens, family = statement.tokens, statement.family
    at = statement.anchor + 1
    word = tokens[statement.anchor].text
    is_actual = word.startswith(("expect", "assert", "that", "_that")) and not is_method
    if at < len(tokens) and tokens[at].text == "!":
        at += 1
    if is_actual and at < len(tokens) and tokens[at].kind == "open":
        at = find_close(tokens, at) + 1
    elif is_actual and at < len(tokens) and tokens[at].text == "do":
        at = next((place for place in range(at, len(tokens)) if tokens[place].text == "end"), at) + 1
    tail = tokens[at:]
    if not tail and is_actual:
        return _falsify_call(statement)
    words = [one.text for one in tail if one.kind in ("word", "sign")]
    if any(NEGATIVE.fullmatch(one) or ORDERING.fullmatch(one) for one in [word, *words]):
        return _negate_chain(statement, at)
    if edit := alter_first(tail, family):
        return [edit]
    return _set_matcher_apart(statement, at) or _negate_chain(statement, at)


def _set_matcher_apart(statement: Statement, at: int) -> Edits:
    tokens = statement.tokens
    for place in (statement.anchor, *range(at, len(tokens) - 1)):
        if not _EQUALITY.fullmatch(tokens[place].text) or place + 1 >= len(tokens):
            continue
        if tokens[place + 1].text == "(":
            arguments = split_arguments(tokens[place + 2 : find_close(tokens, place + 1)])
        else:
            arguments = split_arguments(tokens[place + 1 :]) if tokens[place + 1].kind == "word" else []
        return _set_apart(arguments[0], statement.family) if len(arguments) == 1 else []
    return []


def _negate_chain(statement: Statement, at: int) -> Edits:
    """The opposite of an expectation in method calls, whose matchers begin at `at`."""
    tokens, family = statement.tokens, statement.family
    for place in (statement.anchor, *range(at, len(tokens))):
        token = tokens[place]
        if token.kind != "word":
            continue
        if token.text == "not" and place + 1 < len(tokens) and tokens[place + 1].text == ".":
            return [Edit(token.start, tokens[place + 1].end, "")]
        if family == "script":
            if place > 0 and tokens[place - 1].text == "." and re.fullmatch(r"to([A-Z]\w*)?|should", token.text):
                after = (
                    place + 1 < len(tokens)
                    and tokens[place + 1].text == "."
                    and (place + 2 < len(tokens) and tokens[place + 2].text == "not")
                )
                if after:
                    return [Edit(tokens[place + 2].start, tokens[place + 2].end + 1, "")]
                insert = token.end if token.text == "should" else token.start
                return [Edit(insert, insert, ".not" if token.text == "should" else "not.")]
            continue
        if (opposite := negate_word(token.text)) and (place != statement.anchor or not token.text.startswith("assert")):
            return [Edit(token.start, token.end, opposite)]
    return _alter_last(statement)


def _alter_last(statement: Statement) -> Edits:
    """Alters any literal of the statement, an input too: the last way."""
    edit = alter_first(statement.tokens[statement.anchor :], statement.family)
    return [edit] if edit else []


def _find_verb(statement: Statement) -> int:
    """The place of the last word before the arguments: `assert.strictEqual(`, `self.assertEqual(`, `assert_eq!(`."""
    tokens, at = statement.tokens, statement.anchor
    while at + 2 < len(tokens) and tokens[at + 1].text in (".", "::", "->") and tokens[at + 2].kind == "word":
        at += 2
    return at


def _falsify_call(statement: Statement) -> Edits:
    tokens, family = statement.tokens, statement.family
    at = _find_verb(statement)
    word = tokens[at].text
    after = at + 2 if at + 1 < len(tokens) and tokens[at + 1].text == "!" else at + 1
    if after < len(tokens) and tokens[after].kind == "open":
        inside = tokens[after + 1 : find_close(tokens, after)]
    elif family in ("python", "script", "go", "rust", "java", "php"):
        return []
    else:
        inside = tokens[after:]
    arguments = split_arguments(inside)
    if (
        family == "go"
        and arguments
        and len(arguments) > 1
        and len(arguments[0]) == 1
        and arguments[0][0].kind == "word"
    ):
        arguments = arguments[1:]
    if not NEGATIVE.fullmatch(word) and not ORDERING.fullmatch(word):
        if _holds_condition(word) and arguments:
            return _falsify_condition(statement, after + (after < len(tokens) and tokens[after].kind == "open"))
        edit = _alter_expected(arguments, family) if len(arguments) > 1 or not negate_word(word) else None
        if edit:
            return [edit]
        if _EQUALITY.fullmatch(word) and len(arguments) > 1 and (apart := _set_apart(arguments[1], family)):
            return apart
    if opposite := negate_word(word):
        return [Edit(tokens[at].start, tokens[at].end, opposite)]
    return _alter_last(statement)


def _holds_condition(word: str) -> bool:
    return word in (
        "assert",
        "debug_assert",
        "ok",
        "check",
        "_assert",
        "assert_",
        "expect",
        "verify",
        "ensure",
        "CHECK",
        "REQUIRE",
    )


def _alter_expected(arguments: Sequence[Sequence[Token]], family: Family) -> Edit | None:
    """The edit of the literal that stands alone in one of the compared arguments."""
    compared = list(arguments[:2])
    if (
        len(arguments) == 3
        and family in ("java", "php")
        and arguments[0][0].kind == "string"
        and _rate(arguments[0]) == 3
    ):
        is_message = _rate(arguments[1]) >= 2 or arguments[2][0].kind != "string"
        compared = list(arguments[1:]) if is_message else compared
    if family in ("python", "script", "rust"):
        compared.reverse()
    for argument in sorted(compared, key=_rate, reverse=True):
        if _rate(argument) > 1 and (edit := alter_first(argument, family)):
            return edit
    return None


def _rate(tokens: Sequence[Token]) -> int:
    """How much an expression stands alone: 3 one literal, 2 a collection, 1 a call with literals, 0 no literal."""
    literals = sum(map(is_literal, tokens))
    if not literals:
        return 0
    if all(is_literal(one) or one.text in ("-", "&", "+") for one in tokens):
        return 3
    return 2 if tokens[0].kind == "open" or is_literal(tokens[0]) or _is_constructor(tokens) else 1


def _is_constructor(tokens: Sequence[Token]) -> bool:
    names = [at for at, token in enumerate(tokens[:4]) if token.kind == "word"]
    if any(_CONSTRUCTOR.fullmatch(tokens[at].text) for at in names) or tokens[0].text == "&":
        return True
    first = names[0] if names else 0
    after = tokens[first + 1].text if first + 1 < len(tokens) else ""
    return tokens[first].text[:1].isupper() and after in ("(", "{", "::", ".", "[")


def _set_apart(tokens: Sequence[Token], family: Family) -> Edits:
    """Makes of an expected value without a literal a pair with another one, where the type may change."""
    pair = {
        "python": ("(", f", {STEP})"),
        "script": ("[", f", {STEP}]"),
        "ruby": ("[", f", {STEP}]"),
        "php": ("[", f", {STEP}]"),
    }
    if family not in pair or not tokens or any(one.text in ("do", "*", "...", "**", "=>") for one in tokens):
        return []
    if (
        tokens[0].text == "{"
        and family == "ruby"
        or any(one.text == ":" for one in tokens[:2])
        or tokens[-1].text == "{"
    ):
        return []
    left, right = pair[family]
    return [Edit(tokens[0].start, tokens[0].start, left), Edit(tokens[-1].end, tokens[-1].end, right)]


def _falsify_condition(statement: Statement, first: int) -> Edits:
    """Makes the condition that begins at `first` false."""
    tokens, family = statement.tokens, statement.family
    if first < len(tokens) and tokens[first].text == "do":
        return []
    end, depth = first, 0
    while end < len(tokens):
        token = tokens[end]
        depth += {"open": 1, "close": -1}.get(token.kind, 0)
        if depth < 0 or (depth == 0 and token.text in (",", ";") or depth == 0 and token.kind == "line"):
            break
        if token.text == ":" and depth == 0 and family == "java":
            break
        end += 1
    return falsify_expression(tokens[first:end], family)


def falsify_expression(tokens: Sequence[Token], family: Family) -> Edits:
    """The edits that make a true condition false: the literal that is compared with, the operator or a `not` before."""
    tokens = [one for one in tokens if one.kind != "line" and one.text != "\\"]
    if not tokens:
        return []
    top = list(_list_top(tokens))
    signs = [at for at in top if tokens[at].text in OPPOSITE_SIGNS or tokens[at].text in ("in", "is")]
    if any(tokens[at].text in _JOINS or tokens[at].text in ("not", "!") for at in top) or len(signs) != 1:
        return _wrap(tokens, family)
    at = signs[0]
    sign = tokens[at].text
    if sign in ("==", "===", "in", "=~") and (edit := _alter_side(tokens[:at], tokens[at + 1 :], family)):
        return [edit]
    if sign in ("==", "===") and (apart := _set_apart(tokens[at + 1 :], family)):
        return apart
    opposite = OPPOSITE_SIGNS.get(sign) or {"in": "not in", "is": "is not"}[sign]
    if opposite in (">=", "<") and family not in ("python", "script", "ruby", "php"):
        return _wrap(tokens, family)
    return [Edit(tokens[at].start, tokens[at].end, opposite)]


def _list_top(tokens: Sequence[Token]) -> Iterator[int]:
    depth = 0
    for at, token in enumerate(tokens):
        if token.kind == "close":
            depth -= 1
        if depth == 0:
            yield at
        if token.kind == "open":
            depth += 1


def _alter_side(left: Sequence[Token], right: Sequence[Token], family: Family) -> Edit | None:
    sides = [right, left]
    for side in sorted(sides, key=_rate, reverse=True):
        if _rate(side) > 1 and (edit := alter_first(side, family)):
            return edit
    return None


def _wrap(tokens: Sequence[Token], family: Family) -> Edits:
    start, end = tokens[0].start, tokens[-1].end
    tops = list(_list_top(tokens))
    joined = any(tokens[at].text in _JOINS for at in tops)
    if tokens[0].text in ("not", "!") and not joined and not any(tokens[at].text in OPPOSITE_SIGNS for at in tops):
        return [Edit(start, tokens[1].start if len(tokens) > 1 else tokens[0].end, "")]
    return [Edit(start, start, "not (" if family == "python" else "!("), Edit(end, end, ")")]


def is_guard(tokens: Sequence[Token], end: int, text: str) -> bool:
    """Whether the block that begins at `end` makes a test fail."""
    stop = end
    lines = 0
    while stop < len(tokens) and lines < 3:
        lines += tokens[stop].kind == "line"
        stop += 1
    return end < len(tokens) and _GUARD.search(text, tokens[end].start, tokens[stop - 1].end) is not None


def falsify_guard(tokens: Sequence[Token], family: Family, is_inverted: bool = False) -> Edits:
    """The edits that make a condition true which is false in a passing test: `if got != want {`. `is_inverted`: it is
    true in a passing test, as after `unless`."""
    if is_inverted:
        return falsify_expression(tokens, family)
    condition = [one for one in tokens if one.kind != "line"]
    for at in range(len(condition) - 1, -1, -1):
        if condition[at].text == ";":
            condition = condition[at + 1 :]
            break
    if condition and condition[0].text == "(" and find_close(condition, 0) == len(condition) - 1:
        condition = condition[1:-1]
    if not condition:
        return []
    top = [condition[at] for at in _list_top(condition)]
    signs = [one for one in top if one.text in OPPOSITE_SIGNS]
    if any(one.text in _JOINS for one in top) or len(signs) != 1:
        return _wrap(condition, family)
    at = condition.index(signs[0])
    if signs[0].text in ("!=", "!==") and (edit := _alter_side(condition[:at], condition[at + 1 :], family)):
        return [edit]
    return [Edit(signs[0].start, signs[0].end, OPPOSITE_SIGNS[signs[0].text])]
