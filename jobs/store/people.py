"""People with an account on the board and one on the code host. In Redis, and in a file of LOOPLINE_HOME, from which an
empty Redis is filled again.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from redis import Redis

from integrations.values import Codec, value
from jobs.runtime import keys

FILE = "people.json"
_log = structlog.get_logger(__name__)


@value
class Account:
    """One person: `id`, `name` and `email` on the board, `login` on the code host."""

    id: str
    name: str
    email: str = ""
    login: str


ACCOUNT: Codec[Account] = Codec(Account)


class People:
    """The links between accounts. `fixed` has the operator's, login by e-mail address; they win."""

    def __init__(self, redis: Redis, home: Path, fixed: Mapping[str, str]) -> None:
        self._redis, self._file = redis, home / FILE
        self._fixed = {email.lower(): login for email, login in fixed.items()}

    def find_fixed_login(self, email: str) -> str:
        """The login that the operator's settings name for this address; empty without one."""
        return self._fixed.get(email.lower(), "")

    def find_by_login(self, login: str) -> Account | None:
        """The person with this account on the code host."""
        return next((one for one in self._accounts() if one.login.lower() == login.lower()), None)

    def find_login(self, person_id: str, email: str) -> str:
        """The account on the code host of this person on the board; empty while it is not known."""
        linked = (one.login for one in self._accounts() if one.id == person_id)
        return self.find_fixed_login(email) or next(linked, "")

    def link(self, account: Account) -> None:
        """Store the link; it replaces an earlier one of this person."""
        self._accounts()
        self._redis.hset(keys.PEOPLE, account.id, ACCOUNT.encode(account))
        self._write_file([ACCOUNT.to_builtins(one) for one in self._accounts()])

    def _accounts(self) -> list[Account]:
        found: dict[Any, Any] = self._redis.hgetall(keys.PEOPLE)
        if not found and self._file.exists():
            found = {one.id: ACCOUNT.encode(one) for one in self._read_file()}
            if found:
                self._redis.hset(keys.PEOPLE, mapping=found)
        return [ACCOUNT.decode(raw) for raw in found.values()]

    def _write_file(self, stored: list[Any]) -> None:
        draft = self._file.with_name(f".{FILE}.{os.getpid()}.{threading.get_ident()}")
        try:
            with draft.open("w", encoding="utf-8") as stream:
                json.dump(stored, stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self._file)
        finally:
            draft.unlink(missing_ok=True)

    def _read_file(self) -> list[Account]:
        try:
            return [ACCOUNT.from_builtins(one) for one in json.loads(self._file.read_text(encoding="utf-8"))]
        except (OSError, ValueError) as error:
            _log.warning("linked accounts cannot be read", file=str(self._file), reason=type(error).__name__)
            return []
