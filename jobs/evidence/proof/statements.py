"""Finds the assertions in the tokens of a test and makes each of them false. Called by `expectations`. Pure.

An assertion is altered in its expected literal, the one that stands alone; what has none is set apart or turned into
its opposite.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobs.evidence.proof.conditions import alter_expected, falsify_expression, set_apart
from jobs.evidence.proof.exceptions import Edits, Statement, falsify_raise, find_verb
from jobs.evidence.proof.literals import alter_first
from jobs.evidence.proof.negation import NEGATIVE, ORDERING, negate_word
from jobs.evidence.proof.spans import find_close, split_arguments
from jobs.evidence.proof.tautologies import is_tautology
from jobs.evidence.proof.tokens import Edit, Family, Token

_CALL = re.compile(
    r"_*(debug_)?assert\w*|\w*_assert\w*|[a-z]*Assert\w*|XCTAssert\w*|refute\w*|(EXPECT|ASSERT|CHECK|REQUIRE|BOOST)\w*"
    r"|t|verify\w*|check\w*|ensure\w*|require|test_[a-z_]+|is|ok|eq|same|equals?|deepEqual|strictEqual|deepStrictEqual"
    r"|notEqual|raises|warns|isnt|cmp_ok|like|is_deeply|affirm\w*"
)
_CHAIN = re.compile(r"expect\w*|is_expected|assertThat|assert_that|should\w*|must_\w+|wont_\w+|expectThat|_?that|must")
_DEFINING = frozenset({
    "def", "func", "function", "fn", "fun", "class", "void", "sub", "defp", "macro_rules", "import", "from", "use",
    "using", "package",
})  # fmt: skip
_STATEMENT = frozenset({
    "return", "await", "yield", "else", "do", "then", "and", "or", "not", "in", "lambda", "case", "if", "unless",
})  # fmt: skip
_EQUALITY = re.compile(
    r"toBe|toEqual|toStrictEqual|to_equal|equals?|eql|eq|[dD]eepEqual|strictEqual|deepStrictEqual|must_equal|assert_equal"
    r"|assertEquals?|assertSame|assertListEqual|assertDictEqual|is|same|assert_eq"
)


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
        return (after.text in ("(", ".") and word != "require" and _is_used(tokens, at) and word != "is") or (
            word in ("is", "require") and after.text in ("(", ".") and _is_method(tokens, at, word, after)
        )
    return _is_used(tokens, at) and after.kind not in ("line", "close") and after.text not in ("=", ":", ",")


def _is_method(tokens: Sequence[Token], at: int, word: str, after: Token) -> bool:
    before = tokens[at - 1].text if at else ""
    return before == "." or (word == "require" and after.text == ".") or (word == "is" and before != "a")


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
    """The edits that make an assertion false, none if there is no way or if it cannot fail."""
    word = statement.tokens[statement.anchor].text
    if is_tautology(statement):
        return []
    if raised := falsify_raise(statement):
        return raised
    if statement.family == "java" and word.startswith("assertThrows"):
        return []
    before = statement.tokens[statement.anchor - 1].text if statement.anchor else ""
    if word == "t" or (word == "raises" and statement.family == "python"):
        return _falsify_call(statement) if word == "t" else []
    if _CHAIN.fullmatch(word):
        return _falsify_expectation(statement, before == ".")
    after = statement.tokens[statement.anchor + 1].text if statement.anchor + 1 < len(statement.tokens) else "("
    if (word == "assert" and after not in ("(", ".", "!")) or (
        word == "assert" and statement.family in ("python", "java")
    ):
        return _falsify_condition(statement, statement.anchor + 1)
    return _falsify_call(statement)


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
        return set_apart(arguments[0], statement.family) if len(arguments) == 1 else []
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


def _falsify_call(statement: Statement) -> Edits:
    tokens, family = statement.tokens, statement.family
    at = find_verb(statement)
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
        edit = alter_expected(arguments, family) if len(arguments) > 1 or not negate_word(word) else None
        if edit:
            return [edit]
        if _EQUALITY.fullmatch(word) and len(arguments) > 1 and (apart := set_apart(arguments[1], family)):
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


def _falsify_condition(statement: Statement, first: int) -> Edits:
    """Makes the condition that begins at `first` false."""
    tokens, family = statement.tokens, statement.family
    if first < len(tokens) and tokens[first].text == "do":
        return []
    end, depth = first, 0
    while end < len(tokens):
        token = tokens[end]
        depth += {"open": 1, "close": -1}.get(token.kind, 0)
        if depth < 0 or ((depth == 0 and token.text in (",", ";")) or (depth == 0 and token.kind == "line")):
            break
        if token.text == ":" and depth == 0 and family == "java":
            break
        end += 1
    return falsify_expression(tokens[first:end], family)
