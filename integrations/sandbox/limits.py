"""How much a sandboxed command may take, and what it gave back. Values, shared by the files of this folder."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.errors import Rejected

KIB, MIB, GIB = 2**10, 2**20, 2**30
TIMED_OUT, STOPPED, OVER_LIMIT = 124, 130, 137


class SandboxUnavailable(Rejected):
    """This machine cannot give the sandbox's promises; the message says which one and what to change."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one command, in bytes where nothing else is said.

    `memory` bounds each process hard (RLIMIT_DATA) and the whole tree softly (looked at twenty times a second), as
    `processes` does (by RLIMIT_NPROC, for root by a cgroup; threads count). `tree` and `tree_files` bound all
    that the run has written to disk; `file` is one file. `output` is the flood at which a command is killed; of the
    rest `head` and `tail` are kept.
    """

    processes: int = 512
    memory: int = 4 * GIB
    file: int = GIB
    open_files: int = 4096
    tmp: int = 512 * MIB
    home: int = 256 * MIB
    shm: int = 64 * MIB
    tree: int = 8 * GIB
    tree_files: int = 500_000
    output: int = 64 * MIB
    head: int = 64 * KIB
    tail: int = 64 * KIB


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class CommandResult:
    """How a command in the sandbox ended.

    `exit_code` is the command's own (128 + n for signal n), 124 when it ran out of time, 130 when it was stopped, 137
    when it broke a limit, which `note` then names in one sentence. `output` is stdout and stderr interleaved, or stdout
    alone with `separate_stdout`, then `stderr` holds the rest. `digest` is the SHA-256 of all of `output`, uncut.
    """

    exit_code: int
    output: bytes
    digest: str
    truncated: bool
    timed_out: bool
    stopped: bool
    seconds: float
    stderr: bytes = b""
    note: str = ""
