"""The opposites of assertions and comparisons, in the words of the common libraries. Called by `statements`. Pure."""

from __future__ import annotations

import re

_PAIRS = """
True False|Equal NotEqual|Equals NotEquals|Is IsNot|In NotIn|IsNone IsNotNone|IsInstance NotIsInstance|Null NotNull
Nil NotNil|Same NotSame|Regex NotRegex|AlmostEqual NotAlmostEqual|Greater LessEqual|GreaterEqual Less
Contains NotContains|Empty NotEmpty|InstanceOf NotInstanceOf|StringContainsString StringNotContainsString
Matches DoesNotMatch
Throws DoesNotThrow|IsNull IsNotNull|IsTrue IsFalse|AreEqual AreNotEqual|Exists NotExists|FileExists FileDoesNotExist
GreaterThan LessThanOrEqual|GreaterThanOrEqual LessThan|ArrayHasKey ArrayNotHasKey
""".replace("\n", "|")
_WORDS = """
equal notEqual|strictEqual notStrictEqual|deepEqual notDeepEqual|deepStrictEqual notDeepStrictEqual|is not
true false|truthy falsy|throws notThrows|rejects doesNotReject|match doesNotMatch|ok notOk|isTrue isFalse
throwsAsync notThrowsAsync
isNull isNotNull|isEmpty isNotEmpty|isEqualTo isNotEqualTo|contains doesNotContain|isSameInstanceAs isNotSameInstanceAs
isInstanceOf isNotInstanceOf|isZero isNotZero|isGreaterThan isAtMost|isAtLeast isLessThan|isSameAs isNotSameAs
containsKey doesNotContainKey|containsEntry doesNotContainEntry|isIn isNotIn|matches doesNotMatch|isPresent isEmpty
toBeTruthy toBeFalsy
NoError Error|Len NotLen|ErrorIs NotErrorIs|EqualValues NotEqualValues|Zero NotZero|Panics NotPanics
Positive Negative|Implements NotImplements|IsType IsNotType|assert_eq assert_ne|assert_true assert_false
assert_equal assert_not_equal|assert_that refute_that|assert_matches assert_not_matches|debug_assert_eq debug_assert_ne
EXPECT_EQ EXPECT_NE|ASSERT_EQ ASSERT_NE|EXPECT_TRUE EXPECT_FALSE|ASSERT_TRUE ASSERT_FALSE|EXPECT_LT EXPECT_GE
EXPECT_LE EXPECT_GT|ASSERT_LT ASSERT_GE|ASSERT_LE ASSERT_GT|REQUIRE REQUIRE_FALSE|CHECK CHECK_FALSE
assert_is assert_is_not|assert_in assert_not_in|assert_is_none assert_is_not_none|toBeDefined toBeUndefined
XCTAssert XCTAssertFalse|to not_to|should should_not|assert refute|isTrue isFalse|assertNotThrows assertThrows
""".replace("\n", "|")
NEGATIVE = re.compile(
    r"not|never|not_to|to_not|should_not|[a-z]+Not[A-Z]\w*|Not[A-Z]\w*|not[A-Z]\w*|wont_\w+|refute\w*|does(n't|Not|_not)\w*"
    r"|\w+_not_\w+|\w*_ne|\w*_NE|NoError|notOk|isFalse|assert(False|_false)|False|\w+_FALSE|isNot[A-Z]\w*|toBeFalsy|falsy"
)
"""Words that say that what follows must not hold: altering a literal would leave such an assertion true."""
ORDERING = re.compile(
    r"\w*(less|greater|at_?least|at_?most|below|above|within|_lt|_le|_gt|_ge|between|close_?to|in_delta)\w*"
    r"|\w*(Less|Greater|AtLeast|AtMost|Below|Above|Within)\w*|<|>|<=|>=|gte?|lte?|LT|GT|LE|GE",
)
RAISING = re.compile(
    r"(assert_?)?[rR]aises?\w*|assert_raise\w*|toThrow\w*|(assert)?[tT]hrow(n|s|ing|Error|sAsync)?|assertThrows\w*|must_raise"
    r"|raise_(error|exception)|rejects|rejected(With)?|(assertW|w)arns\w*|expectException\w*|Panics\w*|assertFailsWith"
)
"""Words that ask for an exception."""
OPPOSITE_SIGNS = {
    "==": "!=", "!=": "==", "===": "!==", "!==": "===", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "=~": "!~",
    "!~": "=~",
}  # fmt: skip


def _build_opposites() -> dict[str, str]:
    opposites: dict[str, str] = {}
    for pair in _PAIRS.split("|"):
        if pair.strip():
            one, two = pair.split()
            for prefix in ("assert", "XCTAssert", "", "Assert", "verify"):
                opposites.setdefault(prefix + one, prefix + two)
                opposites.setdefault(prefix + two, prefix + one)
    for pair in _WORDS.split("|"):
        if pair.strip():
            one, two = pair.split()
            opposites.setdefault(one, two)
            opposites.setdefault(two, one)
    return opposites | {"to_not": "to", "doesNotThrow": "throws", "isNotEmpty": "isEmpty", "isEmpty": "isNotEmpty"}


_OPPOSITES = _build_opposites()


def negate_word(word: str) -> str | None:
    """The name of the opposite assertion, None if there is none."""
    if word in _OPPOSITES:
        return _OPPOSITES[word]
    for one, two in (("must_", "wont_"), ("refute_", "assert_"), ("assert_not_", "assert_"), ("assert_", "refute_")):
        if word.startswith(one):
            return two + word.removeprefix(one)
        if word.startswith(two) and one == "must_":
            return one + word.removeprefix(two)
    return None
