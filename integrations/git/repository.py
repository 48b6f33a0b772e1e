"""Runs git commands on repositories that only the host writes to. Called by the modules of this folder.

A thin façade over GitPython: one `Repo` per call, because a shared one deadlocks under threads. Every command starts
with an empty environment, and all settings with which git starts other programs are disabled. The network is open for
`https`, and for `http` where the configured address is loopback.
"""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from git import Git, Repo
from git.exc import GitCommandNotFound, InvalidGitRepositoryError, NoSuchPathError

from integrations.errors import Frozen, IntegrationError, Rejected, Unavailable
from integrations.failpoints import fail
from integrations.git import fsck
from integrations.git.failures import Damaged, classify_failure
from integrations.outbound import get_outbound
from integrations.outward import check_outward
from integrations.ports.code_host import GitCredentials

LOCAL_TIMEOUT, NETWORK_TIMEOUT = 300.0, 600.0  # seconds
PUSHES = ("push", "push-delete")
PUSH_POLL_SECONDS = 0.3
_ACCESS_TIMEOUT = 60.0
_MIN_ROOM = 2**24  # bytes, so that a mirror without room still gets the commits of a ticket
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
    "core.fsync=objects,reference", "http.lowSpeedLimit=1000", "http.lowSpeedTime=30",
    # Only the configured address is contacted, with a redirect to nowhere else; GitHub's API gives a moved one.
    "http.followRedirects=false", *fsck.SETTINGS,
)  # fmt: skip


@dataclass(frozen=True)
class Remote:
    """The one remote URL of a repository, and the bytes that a fetch from it can add, 0 for no limit.

    Raises `Rejected` for anything but https or http on loopback."""

    url: str
    credentials: GitCredentials | None = None
    room: int = 0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise Rejected(f"the address of {self.name} is refused: use https (http works on loopback only)")
        if parts.username or parts.password:
            raise Rejected(f"the address of {self.name} holds credentials: put them in the settings instead")

    @property
    def name(self) -> str:
        """'owner/name', for messages."""
        return urlsplit(self.url).path.strip("/").removesuffix(".git")


@contextmanager
def _network_settings(remote: Remote) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Settings with proxy, certificate authorities and credentials, and the file descriptors that git reads them from.

    Credentials are in anonymous memory that only this git command inherits: never in argv, the environment or a file.
    """
    parts, outbound = urlsplit(remote.url), get_outbound()
    settings, credentials = [], {f"{parts.scheme}://{parts.netloc}": remote.credentials}
    if outbound.ca_file:
        settings += [f"http.sslCAInfo={outbound.ca_file}", f"http.proxySSLCAInfo={outbound.ca_file}"]
    if outbound.ca_folder:
        settings.append(f"http.sslCAPath={outbound.ca_folder}")
    if proxy := outbound.find_proxy(remote.url):
        user = f"{quote(proxy.username, safe='')}@" if proxy.username else ""
        settings.append(f"http.proxy={proxy.url.replace('://', f'://{user}', 1)}")
        credentials[proxy.url] = GitCredentials(proxy.username, proxy.password) if user else None
    with ExitStack() as stack:
        fds = []
        for url, one in credentials.items():
            if one:
                fds.append(fd := os.memfd_create("git-credentials"))
                stack.callback(os.close, fd)
                os.write(fd, f"username={one.username}\npassword={one.password}\n".encode())
                helper = f'!f() {{ test "$1" = get && cat /proc/self/fd/{fd}; }}; f'
                settings.append(f"credential.{url}.helper={helper}")
        yield settings, tuple(fds)


def _build_command(
    settings: Sequence[str], environment: Mapping[str, str], arguments: Sequence[str], largest_file: int = 0
) -> list[str]:
    """`env -i … git -c … arguments`: GitPython alone would pass on the whole environment of the service."""
    git = shutil.which("git") or "git"
    variables = {**_ENVIRONMENT, "PATH": f"{_PATH}:{Path(git).parent}", **environment}
    command = [shutil.which("env", path=_PATH) or "env", "-i", *(f"{key}={value}" for key, value in variables.items())]
    if largest_file and (prlimit := shutil.which("prlimit", path=_PATH)):
        command += [prlimit, f"--fsize={largest_file}"]
    command += [git, "--no-optional-locks"]
    for setting in (*_SETTINGS, *settings):
        command += ["-c", setting]
    return [*command, *arguments]


def check_access(remote: Remote) -> None:
    """List the branches of the remote as a fetch does, without a repository. Raises `Unavailable` or `Rejected`."""
    with _network_settings(remote) as (settings, fds):
        variables = {"GIT_ALLOW_PROTOCOL": "https:http"}
        command = _build_command(settings, variables, ["ls-remote", "--heads", "--", remote.url])
        _run_command(Git(), command, "ls-remote", remote.name, fds=fds, timeout=_ACCESS_TIMEOUT)


class HostRepository:
    """A bare repository that only the host writes to. `remote` is needed for network commands only.

    `note_damage` is called with the reason when a command cannot read the repository's own files."""

    def __init__(
        self, folder: Path, remote: Remote | None = None, note_damage: Callable[[str], None] | None = None
    ) -> None:
        self.folder, self.remote, self._note_damage = folder, remote, note_damage
        self.name = remote.name if remote else folder.name

    def initialise(self) -> None:
        """Create the bare repository without templates. Idempotent."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = ["init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(self.folder)]
        _run_command(Git(str(self.folder)), _build_command((), {}, arguments), "init", self.folder.name)

    def git(
        self,
        *arguments: str,
        stdin: bytes | BinaryIO = b"",
        environment: Mapping[str, str] | None = None,
        timeout: float = LOCAL_TIMEOUT,
        settings: Sequence[str] = (),
    ) -> bytes:
        """Run a command without network access; returns its stdout. `settings` override those of all commands.

        Raises `Unavailable` or `Rejected`."""
        return self._run(arguments, settings, environment or {}, (), stdin, timeout)

    def git_over_network(self, *arguments: str, timeout: float = NETWORK_TIMEOUT) -> bytes:
        """Run a command that connects to `remote` with its credentials; returns its stdout.

        A caller that fetches holds the repository's lock. Raises `Rejected` for a fetch beyond the room."""
        if self.remote is None:
            raise Rejected(f"{self.folder.name} has no remote address")
        protocols = {"GIT_ALLOW_PROTOCOL": "https:http" if self.remote.url.startswith("http://") else "https"}
        with _network_settings(self.remote) as (settings, fds):
            largest = max(self.remote.room, _MIN_ROOM) if self.remote.room and arguments[0] == "fetch" else 0
            try:
                return self._run(arguments, settings, protocols, fds, b"", timeout, largest)
            except IntegrationError as error:
                if arguments[0] == "fetch" and self._remove_partial_packs() >= largest > 0:
                    raise Rejected(
                        f"the mirror of {self.name} needs more than the {largest >> 20} MiB that the disk and "
                        "LOOPLINE_DISK_GIGABYTES leave: free space, raise the setting, or finish other tickets"
                    ) from error
                raise

    def _remove_partial_packs(self) -> int:
        """Delete packs of a failed fetch, which git keeps; returns the size of the largest one."""
        partial = list((self.folder / "objects" / "pack").glob("tmp_*"))
        sizes = [file.stat().st_size for file in partial]
        for file in partial:
            file.unlink()
        return max(sizes, default=0)

    def query(self, *arguments: str) -> bytes | None:
        """Run a local query; returns its stdout, or None for a negative answer (exit code 1, empty stderr)."""
        positive, output = self.ask(*arguments)
        return output if positive else None

    def ask(self, *arguments: str) -> tuple[bool, bytes]:
        """Run a local query; returns whether its answer is positive (exit code 0, not 1), and its stdout."""
        try:
            return True, self.git(*arguments)
        except _NegativeAnswer as answer:
            return False, answer.output

    def succeeds(self, *arguments: str) -> bool:
        """Whether a local query has a positive answer."""
        return self.query(*arguments) is not None

    def _run(
        self,
        arguments: Sequence[str],
        settings: Sequence[str],
        environment: Mapping[str, str],
        fds: Sequence[int],
        stdin: bytes | BinaryIO,
        timeout: float,
        largest_file: int = 0,
    ) -> bytes:
        deletes = any(argument.startswith(":refs/heads/") for argument in arguments)
        operation = "push-check" if "--dry-run" in arguments else "push-delete" if deletes else arguments[0]
        command = _build_command(settings, {"GIT_DIR": str(self.folder), **environment}, arguments, largest_file)
        try:
            with Repo(self.folder) as repo:
                return _run_command(repo.git, command, operation, self.name, stdin, fds, timeout)
        except Damaged as error:
            raise self.report_damage(str(error)) from error
        except (NoSuchPathError, InvalidGitRepositoryError, configparser.Error, UnicodeDecodeError) as error:
            raise self.report_damage(f"git {operation} failed: there is no repository at {self.folder}") from error

    def report_damage(self, reason: str) -> Damaged:
        """The error to raise when the repository's own files cannot be read; the next fetch replaces them."""
        if self._note_damage is None:
            return Damaged(reason)
        self._note_damage(reason)
        return Damaged(f"{reason}: retry the ticket, and Loopline fetches the repository again")


class _NegativeAnswer(Rejected):
    """Exit code 1 with empty stderr: the negative answer of a git query, with its `output`."""

    def __init__(self, message: str, output: bytes) -> None:
        super().__init__(message)
        self.output = output


def _run_command(
    git: Git,
    command: list[str],
    operation: str,
    repository: str,
    stdin: bytes | BinaryIO = b"",
    fds: Sequence[int] = (),
    timeout: float = LOCAL_TIMEOUT,
) -> bytes:
    """Run `command` in a new session and return its stdout; the timeout, in seconds, kills its whole process group."""
    description, source = f"git {operation} in {repository}", subprocess.PIPE if isinstance(stdin, bytes) else stdin
    if operation in PUSHES:
        check_outward()
    fail(f"git.{operation}", "before")
    try:
        process = git.execute(command, istream=source, as_process=True, start_new_session=True, pass_fds=tuple(fds))
    except GitCommandNotFound as error:
        raise Rejected("there is no git on this machine: install git 2.36 or newer") from error
    try:
        output, errors = _communicate(process, stdin if isinstance(stdin, bytes) else None, timeout, operation)
    except subprocess.TimeoutExpired as error:
        _kill(process)
        raise Unavailable(f"{description} took longer than {timeout:.0f} s") from error
    except Frozen:
        _kill(process)
        raise
    if process.returncode == 1 and not errors:
        raise _NegativeAnswer(f"{description} answered no to {shlex.join(command[-2:])}", bytes(output))
    if process.returncode != 0:
        text = (output + b"\n" + errors).decode(errors="replace")  # push prints its reasons on stdout
        raise classify_failure(description, text)
    fail(f"git.{operation}", "done")
    return bytes(output)


def _communicate(process: Any, stdin: bytes | None, timeout: float, operation: str) -> tuple[bytes, bytes]:
    """stdout and stderr of the process. A push, which can take minutes, ends early when the service is frozen."""
    deadline = time.monotonic() + timeout
    while True:
        left = max(deadline - time.monotonic(), 0.0)
        try:
            found: tuple[bytes, bytes] = process.communicate(
                stdin, timeout=min(left, PUSH_POLL_SECONDS) if operation in PUSHES else left
            )
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                raise
            check_outward()
        else:
            return found


def _kill(process: Any) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
