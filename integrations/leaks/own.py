"""Finds the secrets that this process holds in data that leaves it, also encoded. Called before a push. Pure.

Each process searches for its own secrets, so that none has to be given to another one. A finding has the place alone.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator
from functools import lru_cache
from urllib.parse import unquote_to_bytes

_LETTERS = b"0123456789abcdefghijklmnopqrstuvwxyz"
_LOWER_CASE = bytes(range(256)).lower()
_OTHERS = bytes(byte for byte in range(256) if byte not in _LETTERS + _LETTERS.upper())
_SHORTEST = 8
"""Characters of a searched form; a shorter one, such as a short password of Redis, would occur by chance."""
_LONG_LINE = 32
"""Characters of a line of a secret, such as a private key, that is searched by itself."""


class OwnSecrets:
    """Searches for `secrets`, each in plain, base64 (three alignments), hexadecimal and reversed form.

    Case, punctuation and white space are ignored, so that line breaks, quotes or another base64 alphabet do not hide
    one. Compressed or encrypted data is not opened."""

    def __init__(self, secrets: Collection[str]) -> None:
        self._forms = _find_forms(frozenset(secrets))
        self._plain = sorted(s.encode() for s in secrets if len(_squash(s.encode())) < _SHORTEST <= len(s.encode()))

    def occur_in(self, data: bytes) -> bool:
        """Whether `data` holds one of the secrets, also after percent-decoding."""
        decoded = unquote_to_bytes(data) if b"%" in data else data
        views = {_squash(data), _squash(decoded)}
        found = any(form in view for view in views for form in self._forms)
        return found or any(secret in decoded for secret in self._plain)


@lru_cache(maxsize=16)  # a process searches each of its texts for the same secrets
def _find_forms(secrets: frozenset[str]) -> tuple[bytes, ...]:
    found = {form for secret in secrets for part in _split(secret) for form in _encode(part.encode())}
    return tuple(sorted(form for form in found if len(form) >= _SHORTEST))


def _split(secret: str) -> Iterator[str]:
    yield secret
    yield from (line for line in secret.splitlines() if len(line) >= _LONG_LINE and line != secret)


def _encode(secret: bytes) -> Iterator[bytes]:
    forms = [secret, secret.hex().encode()]
    forms += [b"".join(prefix + b"%02x" % byte for byte in secret) for prefix in (b"x", b"0x", b"u00")]
    forms += [_trim(base64.b64encode(b"\0" * shift + secret), shift, len(secret)) for shift in range(3)]
    for form in forms:
        yield _squash(form)
        yield _squash(form[::-1])


def _trim(encoded: bytes, shift: int, length: int) -> bytes:
    """Without the characters at both ends that also depend on the bytes around the secret."""
    first = (shift * 8 + 5) // 6
    return encoded[first : (shift + length) * 8 // 6]


def _squash(data: bytes) -> bytes:
    return data.translate(_LOWER_CASE, _OTHERS)
