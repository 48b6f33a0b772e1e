"""The JSON of signed bodies: each input gives an object or one sentence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import Malformed, UnsupportedContentType
from integrations.ports.signed_body import check_content_type, parse_object


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is not JSON: Expecting value"),
        (b"payload=%7B%22a%22%3A1%7D", "is not JSON"),
        (b"{'a': 1}", "is not JSON"),
        (b'{"a":1}{"b":2}', "is not JSON: Extra data"),
        (b'{"a":1,}', "is not JSON"),
        (b'{"a":"\x00"}', "is not JSON"),
        (b"\xef\xbb\xbf{}", "is not JSON: Unexpected UTF-8 BOM"),
        ('{"a":1}'.encode("utf-16"), "is not UTF-8"),
        ('{"a":1}'.encode("utf-16-le"), "is not JSON"),
        ('{"a":1}'.encode("utf-32"), "is not UTF-8"),
        ('{"a":"é"}'.encode("latin-1"), "is not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "is not UTF-8"),
        (b'{"a":"\xc0\x80"}', "is not UTF-8"),
        (b"null", "is a JSON NoneType, not an object"),
        (b"[{}]", "is a JSON list, not an object"),
        (b"7", "is a JSON int, not an object"),
        (b'{"a":NaN}', "holds a number that is out of range"),
        (b'{"a":[-Infinity]}', "holds a number that is out of range"),
        (b'{"a":1e999}', "holds a number that is out of range"),
        (b'{"a":' + b"9" * 20 + b"}", "holds a number that is out of range"),
        (b'{"a":-' + b"9" * 5000 + b"}", "holds a number that is out of range"),
        (b'{"a":1,"a":2}', "has an object with the same key twice"),
        (b'{"b":[{"a":1,"\\u0061":2}]}', "has an object with the same key twice"),
        (rb'{"a":"\ud800"}', "holds a lone surrogate"),
        (rb'{"\udc00":1}', "holds a lone surrogate"),
        (rb'{"a":"\ud83d\ud83d"}', "holds a lone surrogate"),
        (b'{"a":' * 100_000, "is nested too deeply"),
        (b'{"a":' * 600 + b"1" + b"}" * 600, "is nested too deeply"),
        (b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", "is nested too deeply"),
    ],
)
def test_signed_body_that_cannot_be_read_is_one_sentence(body: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=rf"^Acme's body {reason}") as caught:
        parse_object(body, "Acme")
    assert len(str(caught.value)) < 200


def test_signed_body_keeps_what_json_permits() -> None:
    value = {"": "", "a": [1, -(2**63), 1.5e300, True, None, {}], "ü": "🎉\x7f", "deep": [[[[{"x": [[]]}]]]]}
    assert parse_object(json.dumps(value).encode(), "Acme") == value
    assert parse_object(json.dumps(value, ensure_ascii=False).encode() + b"\r\n ", "Acme") == value


@given(st.binary() | st.text().map(str.encode))
def test_signed_body_of_any_bytes_raises_only_malformed(body: bytes) -> None:
    try:
        json.dumps(parse_object(body, "Acme"), ensure_ascii=False).encode()
    except Malformed as error:
        assert str(error)


@pytest.mark.parametrize("given", ["", "text/json", "application/x-www-form-urlencoded", "application/json,text/html"])
def test_content_type_that_is_not_json_is_named_with_the_advice(given: str) -> None:
    with pytest.raises(UnsupportedContentType, match=r"Acme's delivery .* instead of application/json; change it$"):
        check_content_type(given, "Acme", "change it")


@pytest.mark.parametrize("given", ["application/json", "Application/JSON ; charset=utf-8"])
def test_content_type_json_is_accepted_with_parameters(given: str) -> None:
    check_content_type(given, "Acme", "change it")
