"""Git commands on repositories that the host owns. Called by this folder's files; never on files an agent can write.

A thin façade over GitPython: one `Repo` per call and closed again, since a shared one hangs under threads. Every
command starts from an empty environment with each of git's doors to other programs shut; the network opens for `https`
alone, and for `http` where the configured address is loopback.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from git import Git, Repo
from git.exc import GitCommandNotFound, InvalidGitRepositoryError, NoSuchPathError

from integrations.errors import Rejected, Unavailable
from integrations.failpoints import fail
from integrations.git.failures import failure
from integrations.ports.code_host import GitCredentials

LOCAL_TIMEOUT, NETWORK_TIMEOUT = 300.0, 600.0  # seconds
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PATH = "/usr/local/bin:/usr/bin:/bin"
_ENVIRONMENT = {
    "HOME": "/nonexistent", "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/bin/true", "SSH_ASKPASS": "/bin/true",
    "GIT_EDITOR": ":", "GIT_PAGER": "cat", "GIT_SSH_COMMAND": "/bin/false", "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1", "GIT_LITERAL_PATHSPECS": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_ALLOW_PROTOCOL": "",
}  # fmt: skip
_SETTINGS = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.untrackedCache=false", "core.attributesFile=/dev/null",
    "core.editor=:", "sequence.editor=:", "core.pager=cat", "core.askPass=", "core.sshCommand=/bin/false",
    "core.gitProxy=", "core.alternateRefsCommand=", "credential.helper=", "diff.external=", "diff.ignoreSubmodules=all",
    "submodule.recurse=false", "fetch.recurseSubmodules=false", "commit.gpgSign=false", "tag.gpgSign=false",
    "push.gpgSign=false", "log.showSignature=false", "gpg.program=/bin/false", "gpg.ssh.program=/bin/false",
    "protocol.allow=never", "transfer.fsckObjects=true", "gc.auto=0", "maintenance.auto=false",
    "core.protectHFS=true", "core.protectNTFS=true", "safe.bareRepository=explicit", "advice.detachedHead=false",
    "http.lowSpeedLimit=1000", "http.lowSpeedTime=30",
    # Blemishes of old tools that are in the history of many well-known repositories, and harmless.
    "fetch.fsck.zeroPaddedFilemode=warn", "fetch.fsck.missingSpaceBeforeDate=warn", "fetch.fsck.badTimezone=warn",
)  # fmt: skip


@dataclass(frozen=True)
class Remote:
    """The one address that a repository may talk to. Raises `Rejected` for anything but https or http on loopback."""

    url: str
    credentials: GitCredentials | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise Rejected(f"the address of {self.name} is refused: git speaks only https, and http on loopback")
        if parts.username or parts.password:
            raise Rejected(f"the address of {self.name} holds credentials: put them in the settings instead")

    @property
    def name(self) -> str:
        """'owner/name', for messages."""
        return urlsplit(self.url).path.strip("/").removesuffix(".git")

    @property
    def protocols(self) -> str:
        """The value of GIT_ALLOW_PROTOCOL."""
        return "https:http" if self.url.startswith("http://") else "https"

    @property
    def scope(self) -> str:
        """Scheme, host and port: what the credentials are good for."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


@contextmanager
def _credential_settings(remote: Remote) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Settings that hand the credentials to git, and the file descriptor that they are read from.

    They live in anonymous memory that only this git command inherits: never in argv, the environment or a file.
    """
    if remote.credentials is None:
        yield [], ()
        return
    fd = os.memfd_create("git-credentials")
    try:
        os.write(fd, f"username={remote.credentials.username}\npassword={remote.credentials.password}\n".encode())
        helper = f'!f() {{ test "$1" = get && cat /proc/self/fd/{fd}; }}; f'
        yield [f"credential.{remote.scope}.helper={helper}"], (fd,)
    finally:
        os.close(fd)


def _command(settings: Sequence[str], environment: Mapping[str, str], arguments: Sequence[str]) -> list[str]:
    """`env -i … git -c … arguments`: GitPython alone would let the service's whole environment through."""
    git = shutil.which("git") or "git"
    variables = {**_ENVIRONMENT, "PATH": f"{_PATH}:{Path(git).parent}", **environment}
    command = [shutil.which("env", path=_PATH) or "env", "-i", *(f"{key}={value}" for key, value in variables.items())]
    command += [git, "--no-optional-locks"]
    for setting in (*_SETTINGS, *settings):
        command += ["-c", setting]
    return [*command, *arguments]


class HostRepository:
    """One bare repository that nobody but the host writes. `remote` is needed for network commands only."""

    def __init__(self, folder: Path, remote: Remote | None = None) -> None:
        self.folder, self.remote = folder, remote

    def initialise(self) -> None:
        """Make the bare repository, without templates; one that is there already stays as it is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = ["init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(self.folder)]
        _finish(Git(str(self.folder)), _command((), {}, arguments), "init", self.folder.name)

    def git(
        self,
        *arguments: str,
        stdin: bytes | BinaryIO = b"",
        environment: Mapping[str, str] | None = None,
        timeout: float = LOCAL_TIMEOUT,
    ) -> bytes:
        """Run a command that stays on this machine; returns its stdout. Raises `Unavailable` or `Rejected`."""
        return self._run(arguments, (), environment or {}, (), stdin, timeout)

    def network(self, *arguments: str, timeout: float = NETWORK_TIMEOUT) -> bytes:
        """Run a command that talks to `remote`, with its credentials; returns its stdout."""
        if self.remote is None:
            raise Rejected(f"{self.folder.name} has no address to talk to")
        with _credential_settings(self.remote) as (settings, fds):
            return self._run(arguments, settings, {"GIT_ALLOW_PROTOCOL": self.remote.protocols}, fds, b"", timeout)

    def ask(self, *arguments: str) -> bytes | None:
        """The answer to a local question; None when git says no, that is exit code 1 without a word."""
        try:
            return self.git(*arguments)
        except _AnsweredNo:
            return None

    def succeeds(self, *arguments: str) -> bool:
        """Whether a local question is answered with yes."""
        return self.ask(*arguments) is not None

    def check_out(self, admin: Path, tree: Path, timeout: float = 1800.0) -> None:
        """Fill the worktree at `tree`, whose git folder is `admin`, with the files of its HEAD."""
        self.git(
            "reset",
            "--quiet",
            "--hard",
            environment={"GIT_DIR": str(admin), "GIT_WORK_TREE": str(tree)},
            timeout=timeout,
        )

    def _run(
        self,
        arguments: Sequence[str],
        settings: Sequence[str],
        environment: Mapping[str, str],
        fds: Sequence[int],
        stdin: bytes | BinaryIO,
        timeout: float,
    ) -> bytes:
        operation = "-".join(arguments[: 2 if arguments[0] == "worktree" else 1])
        where = self.remote.name if self.remote else self.folder.name
        command = _command(settings, {"GIT_DIR": str(self.folder), **environment}, arguments)
        try:
            with Repo(self.folder) as repo:
                return _finish(repo.git, command, operation, where, stdin, fds, timeout)
        except (NoSuchPathError, InvalidGitRepositoryError) as error:
            raise Rejected(f"git {operation} failed: there is no repository at {self.folder}") from error


class _AnsweredNo(Rejected):
    """Exit code 1 without a word: how git answers a question with no."""


def _finish(
    git: Git,
    command: list[str],
    operation: str,
    where: str,
    stdin: bytes | BinaryIO = b"",
    fds: Sequence[int] = (),
    timeout: float = LOCAL_TIMEOUT,
) -> bytes:
    """Run `command` in a session of its own and return its stdout; nothing of it outlives `timeout` seconds."""
    what, source = f"git {operation} in {where}", subprocess.PIPE if isinstance(stdin, bytes) else stdin
    fail(f"git.{operation}", "before")
    try:
        process = git.execute(command, istream=source, as_process=True, start_new_session=True, pass_fds=tuple(fds))
    except GitCommandNotFound as error:
        raise Rejected("there is no git on this machine: install git 2.36 or newer") from error
    try:
        output, errors = process.communicate(stdin if isinstance(stdin, bytes) else None, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Unavailable(f"{what} took longer than {timeout:.0f} s") from error
    if process.returncode == 1 and not errors:
        raise _AnsweredNo(f"{what} said no to {shlex.join(command[-2:])}")
    if process.returncode != 0:
        raise failure(what, (output + b"\n" + errors).decode(errors="replace"))  # push gives its reasons on stdout
    fail(f"git.{operation}", "done")
    return bytes(output)
