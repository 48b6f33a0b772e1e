"""The stand-in as one value: its seed, records, repositories and webhooks. Changes need `lock`."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from integrations.standins.github.auth import Gate
from integrations.standins.github.bare import BareRepository
from integrations.standins.github.problems import not_found
from integrations.standins.github.records import Pull, Store
from integrations.standins.github.seed import App, Installation, Seed, SeededRepository, User, first_commit
from integrations.standins.wire import Faults, Sender, Webhook, WriteLog

REPOSITORY_IDS = 1_000
LIMIT = 5_000  # requests of one caller per hour
HOUR_S = 3_600


@dataclass(frozen=True)
class Repository:
    """A repository and the bare git repository behind it. `name` is 'owner/name'."""

    id: int
    seeded: SeededRepository
    git: BareRepository

    @property
    def name(self) -> str:
        return self.seeded.name

    @property
    def owner(self) -> str:
        return self.name.split("/")[0]

    @property
    def private(self) -> bool:
        return self.seeded.private


def now() -> str:
    """The current time in GitHub's format."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Hub:
    """All state of one stand-in, below the folder `home`."""

    def __init__(self, home: Path, seed: Seed, beside: Path, webhook: Webhook | None) -> None:
        self.home = home
        created = [App.model_validate_json(file.read_text()) for file in sorted((home / "apps").glob("*.json"))]
        ids = {app.id for app in created}
        self.seed = seed.model_copy(update={"apps": [*(app for app in seed.apps if app.id not in ids), *created]})
        self.manifests: dict[str, tuple[Any, str]] = {}
        """Manifests whose codes were not exchanged yet."""
        self.ci: dict[str, tuple[Any, ...]] = {}
        """The scripted checks of each repository; see `ci`."""
        self.logs: dict[str, tuple[int, float]] = {}
        """The job of each address of a log, and when it expires."""
        self.webhook = webhook
        self.lock = threading.RLock()
        self.store = Store(home / "records.jsonl")
        self.log = WriteLog(home / "writes.jsonl")
        self.faults = Faults()
        self.sender = Sender()
        self.secret = _own_secret(home / "secret")
        self.gate = Gate(self.seed, self.secret)
        self._used: dict[tuple[str, int], int] = {}
        self.repositories = {one.name: self._open(at, one, beside) for at, one in enumerate(seed.repositories)}

    @property
    def git_root(self) -> Path:
        """The folder of the bare repositories, as '<owner>/<name>.git'."""
        return self.home / "repositories"

    def find(self, name: str) -> Repository | None:
        """The repository, None if there is none; names are case-insensitive."""
        return next((one for one in self.repositories.values() if one.name.lower() == name.lower()), None)

    def repository(self, name: str) -> Repository:
        """The repository. Raises a 404 `Problem`."""
        if (found := self.find(name)) is None:
            raise not_found()
        return found

    def pull(self, repository: Repository, number: int) -> Pull:
        """The pull request. Raises a 404 `Problem`."""
        for pull in self.store.all(Pull, repository=repository.name, number=number):
            return pull
        raise not_found()

    def user(self, login: str) -> User | None:
        """The seeded person with this login."""
        return next((user for user in self.seed.users if user.login.lower() == login.lower()), None)

    def app_of_bot(self, login: str) -> App | None:
        """The App with this bot login."""
        return next((app for app in self.seed.apps if app.bot == login), None)

    def installations(self, repository: str) -> list[tuple[App, Installation]]:
        """The Apps that are installed on the repository."""
        return [(app, one) for app in self.seed.apps for one in app.installations if repository in one.repositories]

    def count(self, caller: str) -> None:
        """One more request of this caller in this hour."""
        with self.lock:
            hour = int(time.time()) // HOUR_S
            self._used = {key: used for key, used in self._used.items() if key[1] == hour}
            self._used[caller, hour] = self._used.get((caller, hour), 0) + 1

    def rate(self, caller: str) -> dict[str, int]:
        """`rate-limit` of this caller, enforced only by a fault; `reset` is in Unix seconds."""
        hour = int(time.time()) // HOUR_S
        used = self._used.get((caller, hour), 0)
        return {"limit": LIMIT, "used": used, "remaining": max(0, LIMIT - used), "reset": (hour + 1) * HOUR_S}

    def close(self) -> None:
        """Stop sending webhooks."""
        self.sender.close()

    def _open(self, at: int, seeded: SeededRepository, beside: Path) -> Repository:
        git = BareRepository(self.git_root / f"{seeded.name}.git")
        git.create(seeded.default_branch)
        first_commit(git, seeded, beside)
        return Repository(REPOSITORY_IDS + at, seeded, git)


def _own_secret(path: Path) -> str:
    """The secret that signs installation tokens, created once."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()
