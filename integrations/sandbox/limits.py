"""Limits and results of sandboxed commands, as values."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.errors import Rejected

KIB, MIB, GIB = 2**10, 2**20, 2**30
TIMED_OUT, STOPPED, OVER_LIMIT = 124, 130, 137


class SandboxUnavailable(Rejected):
    """This machine cannot provide one of the sandbox's guarantees; the message names it and the fix."""


@dataclass(frozen=True)
class Limits:
    """Limits of one command, in bytes unless noted.

    `memory` is a hard limit for each process (RLIMIT_DATA) and is polled twenty times a second for the whole tree, as
    is `processes` (hard by RLIMIT_NPROC, for root by a cgroup; threads count). `tree` and `tree_files` limit all data
    of the run on disk; `file` limits one file. More than `output` kills a command; `head` and `tail` bytes of it are
    kept.
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
    """The result of a command in the sandbox.

    `exit_code` is the command's own (128 + n for signal n), 124 after a timeout, 130 when it was stopped, 137 when it
    exceeded a limit, which `note` then names in one sentence. `output` is stdout and stderr interleaved, or stdout
    alone after `capture`; `stderr` then has the rest. `digest` is the SHA-256 of the complete output.
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
