"""A service's own secrets are found in every simple encoding."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Callable
from urllib.parse import quote

import pytest

from integrations.leaks.own import OwnSecrets

SECRET = "lin_api_" + "kF93jd/aZ+Qw81_mN-x2"
OWN = OwnSecrets({SECRET, "another-secret-of-the-service"})

ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda s: s,
    "upper case": str.upper,
    "reversed": lambda s: s[::-1],
    "hexadecimal": lambda s: s.encode().hex(),
    "upper-case hexadecimal": lambda s: s.encode().hex().upper(),
    "hexadecimal with colons": lambda s: s.encode().hex(":"),
    "escapes": lambda s: "".join(f"\\x{b:02x}" for b in s.encode()),
    "escapes of JSON": lambda s: "".join(f"\\u{b:04x}" for b in s.encode()),
    "a list of bytes": lambda s: ", ".join(f"0x{b:02X}" for b in s.encode()),
    "URL": lambda s: quote(s, safe=""),
    "URL, every character": lambda s: "".join(f"%{b:02X}" for b in s.encode()),
    "URL, lower case": lambda s: "".join(f"%{b:02x}" for b in s.encode()),
    "one line per character": "\n".join,
    "parts of a string": lambda s: '" + "'.join(textwrap.wrap(s, 5)),
    **{
        f"base64 after {n} bytes": (lambda s, n=n: base64.b64encode(b"key"[:n] + s.encode() + b"tail").decode())
        for n in range(4)
    },
    "base64 of a URL": lambda s: base64.urlsafe_b64encode(b"x" + s.encode()).decode(),
    "base64 in lines": lambda s: "\n".join(textwrap.wrap(base64.b64encode(b"ab" + s.encode()).decode(), 8)),
    "base64, reversed": lambda s: base64.b64encode(s.encode()).decode()[::-1],
}  # fmt: skip


@pytest.mark.parametrize("name", ENCODINGS)
def test_own_secret_is_found_in_each_encoding(name: str) -> None:
    text = f"before {ENCODINGS[name](SECRET)} after".encode()
    assert OWN.occur_in(text)
    assert OWN.occur_in(b"\0\xff" + text + b"\0")


@pytest.mark.parametrize(
    "text", ["", "lin_api_", SECRET[:-4], SECRET[4:], "another-secret",
    base64.b64encode(b"something else entirely").decode()]
)  # fmt: skip
def test_own_secret_is_not_found_in_other_text(text: str) -> None:
    assert not OWN.occur_in(text.encode())


def test_own_secret_of_several_lines_is_found_by_one_of_them() -> None:
    lines = [f"{n}" + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ" for n in range(3)]
    own = OwnSecrets({"\n".join(["-----BEGIN RSA PRIVATE KEY-----", *lines, "-----END RSA PRIVATE KEY-----"])})
    assert own.occur_in(f"x {lines[1]} y".encode())
    assert not own.occur_in(b"-----BEGIN RSA PRIVATE KEY-----\nsomething else")


def test_own_secret_without_letters_is_searched_as_it_is() -> None:
    own = OwnSecrets({"#+!?-_*~.:;,"})
    assert own.occur_in(b"x #+!?-_*~.:;, y")
    assert not own.occur_in(b"nothing")


def test_no_secrets_occur_nowhere() -> None:
    assert not OwnSecrets(frozenset()).occur_in(b"anything")
