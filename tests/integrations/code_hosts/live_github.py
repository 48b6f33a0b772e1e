"""A live GitHub: the stand-in on a socket, with people, an App and small repositories."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from integrations.code_hosts.github.app import AppCredentials
from integrations.code_hosts.github.code_host import GitHub
from integrations.ports.code_host import CodeHost
from integrations.standins.github.server import Webhook, create_app, serve

PEOPLE = {"loopline-dev": "write", "ada": "write", "eve": "read"}


class LiveGitHub:
    """The stand-in below `home`, with `repositories` repositories of equal content.

    People's tokens are 'pat-' and their login; webhooks go to `webhook` if it is set. `of_repository` are further keys
    of each seeded repository, as `rules`."""

    def __init__(self, home: Path, repositories: int = 1, webhook: Webhook | None = None, **of_repository: Any) -> None:
        self.repositories = [f"octo/calc-{number}" for number in range(repositories)]
        self._key, public = key_pair(home)
        (home / "files").mkdir()
        (home / "files" / "calc.py").write_text("def add(a, b):\n    return a + b\n")
        self._home = home / "github"
        app = create_app(self._home, _seed(self.repositories, public, home / "files", of_repository), webhook=webhook)
        self._settle = app.hub.sender.settle
        self._served = serve(app)
        self.url = self._served.url

    def as_person(self) -> GitHub:
        """The adapter with the personal token of 'loopline-dev'."""
        return GitHub(self.url, token="pat-loopline-dev", backoff=0.0)

    def as_app(self) -> GitHub:
        """The adapter as the App."""
        return GitHub(self.url, app=AppCredentials("42", self._key), backoff=0.0)

    def ask(self, method: str, path: str, body: Any = None, login: str = "ada") -> Any:
        """Send an API request as another person."""
        headers = {"Authorization": f"Bearer pat-{login}"}
        response = requests.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=10)
        response.raise_for_status()
        return response.json() if response.content else None

    def inject_fault(self, operation: str, kind: str) -> None:
        """Let the next use of `operation` ('PUT /repos/{owner}/…') fail with `kind`."""
        self.ask("POST", "/_faults", {"operation": operation, "kind": kind})

    def writes(self, operation: str, repository: str) -> int:
        """The number of uses of `operation` that took effect on the repository."""
        name = repository.partition("/")[2]
        log = self.ask("GET", "/_log")
        return sum(entry["operation"] == operation and entry["input"].get("repo") == name for entry in log)

    def bare(self, repository: str) -> Path:
        """The git repository behind `repository`."""
        return self._home / "repositories" / f"{repository}.git"

    def settle(self) -> None:
        """Wait until every webhook was sent."""
        assert self._settle()

    def close(self) -> None:
        """Stop listening."""
        self._served.close()


def push(host: CodeHost, repository: str, branch: str, **files: str) -> str:
    """Commit `files` (by stem) on top of the branch, or of main, with real git; returns the new head."""
    credentials, url = host.git_credentials(repository), host.repository(repository).clone_url
    assert credentials is not None
    whole = url.replace("://", f"://{credentials.username}:{credentials.password}@", 1)
    with tempfile.TemporaryDirectory() as folder:
        git("clone", "-q", whole, ".", cwd=folder)
        known = git("branch", "-r", "--list", f"origin/{branch}", cwd=folder)
        git("checkout", "-q", *(["-b", branch] if not known else [branch]), cwd=folder)
        for stem, text in files.items():
            (Path(folder) / f"{stem}.py").write_text(text)
        git("add", "-A", cwd=folder)
        git("commit", "-q", "-m", f"Change {', '.join(files)}", cwd=folder)
        git("push", "-q", "origin", branch, cwd=folder)
        return git("rev-parse", "HEAD", cwd=folder)


def git(*arguments: str, cwd: str) -> str:
    """The output of git, without the machine's configuration."""
    person = {f"GIT_{who}_{what}": "ada@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    alone = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    environment = {"PATH": os.environ["PATH"], **person, **alone}
    ran = subprocess.run(["git", *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def _seed(repositories: list[str], public_key_file: Path, files: Path, of_repository: dict[str, Any]) -> dict[str, Any]:
    installation = {"id": 7, "account": "octo", "repositories": repositories}
    return {
        "users": [
            {"login": login, "token": f"pat-{login}", "permissions": dict.fromkeys(repositories, role)}
            for login, role in PEOPLE.items()
        ],
        "apps": [
            {"id": 42, "slug": "loopline", "public_key_file": str(public_key_file), "installations": [installation]}
        ],
        "repositories": [{"name": name, "from_folder": str(files), **of_repository} for name in repositories],
    }


def key_pair(folder: Path) -> tuple[str, Path]:
    """An App's private key, and the file of the public one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = folder / "app.pub"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode(), public
