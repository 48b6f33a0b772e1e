"""Explains an invalid value in one sentence: the class of the value, and the fix. Never the value itself.

Used for the service's settings (`jobs.config.environment`) and for `WORKFLOW.md` (`jobs.loop.policy`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Characters of no text in one line: controls, line separators, changes of direction, halves of UTF-16 pairs."""
LONG = 200
"""Characters from which the class of a text names its length."""
_WHOLE, _NUMBER, _SWITCH = "write a whole number", "write a number such as 2 or 0.5", "write true or false"
_MAPPING, _LIST = "write keys with values", "write a list"
_FIXES = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _WHOLE),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), _NUMBER),
    **dict.fromkeys(("bool_type", "bool_parsing"), _SWITCH),
    **dict.fromkeys(("dict_type", "model_type", "dataclass_type"), _MAPPING),
    **dict.fromkeys(("list_type", "tuple_type"), _LIST),
    "string_type": "write a text, in quotes",
    "literal_error": "write {expected}",
    "greater_than_equal": "write {ge} or more",
    "less_than_equal": "write {le} or less",
    "string_too_short": "write at least {min_length} characters",
    "string_too_long": "write at most {max_length} characters",
    "too_long": "keep at most {max_length}",
}
"""The fix by pydantic's type of error, https://docs.pydantic.dev/latest/errors/validation_errors/."""


def explain(error: ErrorDetails) -> str:
    """Return 'it is <class of the value>; <fix>' for one error of pydantic, which has to include its input."""
    kind, context = error["type"], error.get("ctx", {})
    match kind:
        case "value_error" | "assertion_error":
            return error["msg"].partition(", ")[2]
        case "missing":
            return "it is missing; add it"
        case "extra_forbidden" | "unexpected_keyword_argument":
            return "it is an unknown key; remove it or correct its name"
    return f"it is {classify(error['input'], context)}; {_FIXES.get(kind, error['msg']).format_map(context)}"


def format_sentence(error: Exception) -> str:
    """Return the message of an error as a sentence, for operators."""
    message = str(error)
    return f"{message[:1].upper()}{message[1:]}."


def classify(value: object, bounds: Mapping[str, Any] | None = None) -> str:
    """Return the class of a value: 'a number with decimals', 'an empty text'. `bounds` are those that it breaks."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return _classify_number(value, bounds or {})
        case str() if not value.strip():
            return "an empty text"
        case str() if CONTROLS.search(value):
            return "a text with control characters"
        case str():
            return f"a text of {len(value)} characters" if len(value) > LONG else "a text"
        case list() | tuple():
            return f"a list of {len(value)}"
    return "a mapping"


def _classify_number(value: float, bounds: Mapping[str, Any]) -> str:
    if "ge" in bounds:
        return f"a number below {bounds['ge']}"
    if "le" in bounds:
        return f"a number above {bounds['le']}"
    return "a whole number" if isinstance(value, int) else "a number with decimals"


def show_name(name: str, longest: int = 80) -> str:
    """Return the name of a variable, key or file for a message: one line, printable, at most `longest` characters."""
    shown = ascii(name) if CONTROLS.search(name) or not name else name
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
