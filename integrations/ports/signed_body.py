"""Reads the JSON object of a signed webhook body, more strictly than `json.loads`. Used by all sources; no I/O."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from pydantic_core import from_json

from integrations.errors import Malformed, UnsupportedContentType

_MAX_DIGITS: Final = 19  # of a 64-bit integer


def check_content_type(given: str, sender: str, advice: str) -> None:
    """Raise `UnsupportedContentType` when the content type is not JSON."""
    media_type = given.partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedContentType(
            f"{sender}'s delivery has content type {media_type[:60]!r} instead of application/json; {advice}"
        )


def parse_object(body: bytes, sender: str) -> dict[str, Any]:
    """Return the JSON object.

    Raises `Malformed` for another encoding than UTF-8, other JSON, a key that occurs twice in an object, a number that
    is not finite or over 64 bits, a lone surrogate, and deep nesting."""
    try:
        payload = json.loads(
            body.decode(),
            parse_constant=_refuse_number,
            parse_float=_parse_float,
            parse_int=_parse_int,
            object_pairs_hook=_build_object,
        )
        _check_limits(body)
    except UnicodeDecodeError as error:
        raise Malformed(f"{sender}'s body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"{sender}'s body is not JSON: {error}") from error
    except RecursionError as error:
        raise Malformed(f"{sender}'s body is nested too deeply") from error
    except ValueError as error:
        raise Malformed(f"{sender}'s body {error}") from error
    if not isinstance(payload, dict):
        raise Malformed(f"{sender}'s body is a JSON {type(payload).__name__}, not an object")
    return payload


def _check_limits(body: bytes) -> None:
    """Refuse lone surrogates and deep nesting, as a stricter parser does."""
    try:
        from_json(body)
    except ValueError as error:
        reason = "holds a lone surrogate" if "hex escape" in str(error) else "is nested too deeply"
        raise ValueError(reason) from error


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise ValueError("has an object with the same key twice")
    return built


def _parse_int(text: str) -> int:
    return int(text) if len(text.lstrip("-")) <= _MAX_DIGITS else _refuse_number(text)


def _parse_float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _refuse_number(_: str) -> Any:
    raise ValueError("holds a number that is out of range")
