"""Limits memory, processes and processor time of a sandbox with a cgroup. Called by `running` for each sandbox.

The kernel counts what polling cannot see: shared pages, memfds, System V segments, files in /tmp and short-lived
processes. Groups are created below Loopline's own, so that the operator's limits for Loopline hold for them too:

- Version 2: in a subtree that was delegated (systemd's `Delegate=yes`, or a container's own root). Such a group cannot
  have processes and limited children, so Loopline's processes move into a child first, see cgroups(7).
- Version 1: as root, in each hierarchy.

Without either, `usage` polls, and rlimits hold for each process.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from integrations.sandbox.limits import MIB, Limits

CONTROLLERS = ("memory", "pids", "cpu")
_LEAF = "loopline"
_REMOVE_TIMEOUT = 5.0
_WEIGHT = 10  # percent of a process of Loopline or Redis, when both need the processor
_NICENESS = 10
_OOM_SCORE = 800  # of 1000: the kernel ends a sandbox before Redis when the machine has no memory left


@dataclass(frozen=True)
class Group:
    """The cgroups of one sandbox: a folder for each controller that limits it. The same folder in version 2."""

    folders: Mapping[str, Path] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether the kernel limits memory and processes, so that nothing has to be polled."""
        return {"memory", "pids"} <= self.folders.keys()

    def add(self, pid: int) -> None:
        """Limit this process and all that it starts from now on, and let it go first when the machine is short."""
        for folder in set(self.folders.values()):
            (folder / "cgroup.procs").write_text(str(pid))
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
            Path(f"/proc/{pid}/oom_score_adj").write_text(str(_OOM_SCORE))
            Path(f"/proc/{pid}/autogroup").write_text(str(_NICENESS))  # niceness counts within a session only

    def find_exceeded_limit(self, limits: Limits) -> str:
        """Returns a sentence once the kernel had to enforce the limit of memory, else ''."""
        folder = self.folders.get("memory", Path("/nonexistent"))
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError):
                counts = dict(line.split() for line in (folder / name).read_text().splitlines())
                if int(counts.get("oom_kill", 0)):
                    return f"the command was killed because it used more than {limits.memory // MIB} MiB of memory"
        return ""


def find_folders(mountinfo: str, own: str) -> dict[str, Path]:
    """This process's group for each controller of version 1, and with the key '' the one of version 2. `mountinfo` and
    `own` are the texts of /proc/self/mountinfo and /proc/self/cgroup. Source: proc(5), cgroups(7)."""
    found = {}
    paths = {
        name: path for _, names, path in (line.split(":", 2) for line in own.splitlines()) for name in names.split(",")
    }
    for line in mountinfo.splitlines():
        mount, _, kind = line.partition(" - ")
        root, point = mount.split()[3:5]
        options = ("",) if kind.startswith("cgroup2 ") else kind.rsplit(" ", 1)[-1].split(",")
        for name in options if kind.startswith("cgroup") else ():
            if name in paths and (paths[name] + "/").startswith(root.rstrip("/") + "/"):
                found[name] = Path(point, paths[name].removeprefix(root.rstrip("/")).lstrip("/"))
    return found


@cache
def find_parents() -> Mapping[str, Path]:
    """For each controller the group in which this process can create limited groups."""
    delegated, own = _find_usable()
    parents = own | (_prepare_delegated(delegated) if delegated else {})
    for folder in set(parents.values()):
        remove_stale_groups(folder)
    return parents


def find_polled_bounds() -> tuple[str, ...]:
    """The controllers that cannot limit a sandbox of a process in this process's group. Changes nothing."""
    delegated, own = _find_usable()
    return tuple(name for name in CONTROLLERS if name not in own and name not in _list_controllers(delegated))


def explain_polling(missing: Sequence[str]) -> str:
    """One sentence about the bounds that the kernel does not hold, with the fix; empty without one."""
    if not missing:
        return ""
    bounds = {"memory": "memory", "pids": "the number of processes", "cpu": "the share of the processor"}
    names = ", ".join(bounds[name] for name in missing)
    return (
        f"No cgroup limits {names} of a sandbox here, so the bound is only polled (memory, processes) or a niceness "
        "(processor): set Delegate=yes in [Service] of Loopline's systemd unit, or give its container a writable "
        "cgroup hierarchy."
    )


def _find_usable() -> tuple[Path | None, dict[str, Path]]:
    """The group of version 2 that was delegated, and for root this process's groups of version 1."""
    if not Path("/proc/self/cgroup").exists():
        return None, {}
    own = find_folders(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
    unified = own.get("")
    parent = unified.parent if unified and unified.name == _LEAF else unified
    delegated = parent if parent and _list_controllers(parent) and _is_delegated(parent) else None
    names = CONTROLLERS if os.geteuid() == 0 else ()
    return delegated, {name: own[name] for name in names if name in own and os.access(own[name], os.W_OK)}


def _list_controllers(folder: Path | None) -> list[str]:
    offered = _read(folder / "cgroup.controllers").split() if folder else []
    return [name for name in CONTROLLERS if name in offered]


def _prepare_delegated(parent: Path) -> dict[str, Path]:
    """Move the processes of a delegated group of version 2 into a child and enable its controllers."""
    wanted = _list_controllers(parent)
    try:
        leaf = parent / _LEAF
        leaf.mkdir(exist_ok=True)
        while pids := _read(parent / "cgroup.procs").split():
            for pid in pids:
                with suppress(ProcessLookupError):
                    (leaf / "cgroup.procs").write_text(pid)
        (parent / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in wanted))
    except OSError:
        return {}
    return dict.fromkeys(wanted, parent)


def _is_delegated(folder: Path) -> bool:
    """Whether this group is Loopline's to divide. systemd marks it, and gives it to the unit's user; the root of a
    container's own hierarchy has a type, which the host's root lacks."""
    if not os.access(folder, os.W_OK) or not (folder / "cgroup.type").exists():
        return False
    with suppress(OSError):
        if any(os.getxattr(folder, f"{space}.delegate") == b"1" for space in _readable_spaces(folder)):
            return True
    return os.path.ismount(folder) or (os.geteuid() != 0 and folder.stat().st_uid == os.geteuid())


def _readable_spaces(folder: Path) -> Sequence[str]:
    return [name.removesuffix(".delegate") for name in os.listxattr(folder) if name.endswith(".delegate")]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def remove_stale_groups(folder: Path) -> None:
    """Remove the groups of launchers that were killed. A group that is not empty yet stays for the next call."""
    for group in folder.glob("loopline-*-*"):
        if not Path("/proc", group.name.split("-")[1]).exists():
            with suppress(OSError):
                group.rmdir()


@contextmanager
def create_group(limits: Limits, tasks: int = 0) -> Iterator[Group]:
    """Create the groups of one sandbox, which holds at most `tasks` more processes than `limits`; empty where none can
    be created. Leave it after the sandbox has ended."""
    name = f"loopline-{os.getpid()}-{uuid.uuid4().hex}"
    made: dict[str, Path] = {}
    try:
        for controller, parent in find_parents().items():
            group = parent / name
            with suppress(OSError):
                group.mkdir(exist_ok=True)
                for file, value in _list_values(controller, limits, tasks):
                    if (group / file).exists():
                        (group / file).write_text(value)
                made[controller] = group
        yield Group(made)
    finally:
        for group in set(made.values()):
            _remove(group)


def _list_values(controller: str, limits: Limits, tasks: int) -> list[tuple[str, str]]:
    """The files of a group with their values, those of version 2 first."""
    if controller == "pids":
        return [("pids.max", str(limits.processes + tasks))]
    if controller == "cpu":
        return [("cpu.weight", str(_WEIGHT)), ("cpu.shares", str(1024 * _WEIGHT // 100))]
    memory = str(limits.memory)
    return [("memory.max", memory), ("memory.swap.max", "0"), ("memory.oom.group", "1"),
            ("memory.limit_in_bytes", memory), ("memory.memsw.limit_in_bytes", memory)]  # fmt: skip


def _remove(group: Path) -> None:
    """Remove the group, with retries: that works only after its last process was reaped, shortly after the kill."""
    deadline = time.monotonic() + _REMOVE_TIMEOUT
    while group.exists():
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
