"""Renewable access tokens of providers, encrypted: in Redis for all processes, and below the home folder in case Redis
is lost. Used through `integrations.token_store`.

Encrypted with Fernet (AES-128-CBC with HMAC-SHA256) under LOOPLINE_TOKEN_KEY, else under a key in the home folder that
is created once. A backup of Redis or of the home folder can hold an older copy, so the newest of both counts.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from redis import Redis
from redis.exceptions import LockError, RedisError

from integrations.errors import Misconfigured, Unavailable
from jobs.config.settings import Settings
from jobs.runtime import keys
from jobs.runtime.scripts import decode

FOLDER, KEY_FILE = "tokens", "token-key"
LOCK_SECONDS, WAIT_SECONDS = 90.0, 45.0
"""A token request takes at most 60 s (`integrations.transport`); a process that waits longer retries later."""
_log = structlog.get_logger(__name__)


class _Copy(NamedTuple):
    """One copy of a text; `number` is raised at each write, 0 for none."""

    number: int
    text: str


_NO_COPY = _Copy(0, "")


class EncryptedTokens:
    """`TokenStore` for all processes of an installation."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis, self._settings = redis, settings
        self._folder = settings.home / FOLDER

    def read(self, name: str) -> str:
        """The newest text. A file that is newer than Redis, or all that is left, is put back into Redis."""
        stored = self._decrypt(self._redis.hget(keys.TOKENS, name), "Redis")
        file = self._decrypt(_read_file(self._file(name)), "the home folder")
        if file.number > stored.number:
            self._redis.hset(keys.TOKENS, name, self._encrypt(file))
        return max(stored, file).text

    def write(self, name: str, text: str) -> None:
        """Write the file, then Redis. Either is enough: without the file (a full disk), Redis has the text. Raises
        `RedisError`."""
        found = (self._redis.hget(keys.TOKENS, name), _read_file(self._file(name)))
        number = max(self._decrypt(raw, "the store").number for raw in found) + 1
        encrypted = self._encrypt(_Copy(number, text))
        try:
            _write_file(self._file(name), encrypted)
        except OSError as error:
            _log.error("token not written to the home folder", name=name, reason=str(error))
        self._redis.hset(keys.TOKENS, name, encrypted)

    def names(self, prefix: str) -> Sequence[str]:
        in_redis = {decode(name) for name in self._redis.hkeys(keys.TOKENS)}
        in_files = {file.name.replace("~", "/") for file in self._folder.glob("*")}
        return sorted(name for name in in_redis | in_files if name.startswith(prefix) and self.read(name))

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        lock = self._redis.lock(keys.token_lock(name), timeout=LOCK_SECONDS, blocking_timeout=WAIT_SECONDS)
        if not lock.acquire():
            raise Unavailable("another process renews the same token", 5.0)
        try:
            yield
        finally:
            with suppress(LockError, RedisError):  # it expired, or expires by itself
                lock.release()

    def _file(self, name: str) -> Path:
        return self._folder / name.replace("/", "~")

    @cached_property
    def _fernet(self) -> MultiFernet:
        given: list[str | bytes] = [key.get_secret_value() for key in self._settings.token_key]
        return MultiFernet([Fernet(key) for key in given or [_read_key(self._settings.home / KEY_FILE)]])

    def _encrypt(self, copy: _Copy) -> bytes:
        return self._fernet.encrypt(json.dumps(copy).encode())

    def _decrypt(self, raw: bytes | str | None, place: str) -> _Copy:
        if not raw:
            return _NO_COPY
        try:
            number, text = json.loads(self._fernet.decrypt(raw))
            return _Copy(int(number), str(text))
        except (InvalidToken, ValueError, TypeError):
            _log.error(
                "token cannot be decrypted", place=place, fix="set the former LOOPLINE_TOKEN_KEY as a second one"
            )
            return _NO_COPY


def _read_key(file: Path) -> bytes:
    """The generated key; creates it on first use, complete or not at all. Processes that start at once get the same
    one. Raises `Misconfigured`."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
            _write_file(draft, Fernet.generate_key())
            with suppress(FileExistsError):
                os.link(draft, file)
            draft.unlink()
        key = file.read_bytes().strip()
        Fernet(key)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no key"
        raise Misconfigured(
            f"LOOPLINE_TOKEN_KEY is empty and {file} cannot be used ({reason}): set a key, or correct the file",
            "credentials",
        ) from None
    return key


def _read_file(file: Path) -> bytes:
    with suppress(OSError):  # absent, or a broken disk: Redis has a copy
        return file.read_bytes()
    return b""


def _write_file(file: Path, content: bytes) -> None:
    """Replace the file, with mode 600, durably."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    draft.touch(0o600)
    with draft.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)
