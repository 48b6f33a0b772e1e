"""Fresh work trees for single commands: nothing that an earlier command, setup script or import wrote is in them.

Called by `gate`, `proof` and `preflight`. All commits that are checked out here are children of the base commit with
the same message, and all sandboxes have the same paths and variables, so code cannot tell where it runs.
"""

from __future__ import annotations

import os
import queue
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from integrations.disk import walk
from integrations.git.changes import Side
from integrations.git.layer_walk import Change, LayerWalk, TooManyChanges, open_file
from integrations.git.workspace import Workspace
from integrations.proof import Measured, TestReport
from integrations.sandbox.environment import Environment
from integrations.sandbox.leftovers import kill_sandboxes
from integrations.values import CommitSha
from jobs.evidence.command_evidence import shorten_output
from jobs.evidence.command_run import CommandRun
from jobs.roles.environment import BuildStopped, prepare_environment, write_exclusions
from jobs.roles.reported_check import run_reported_check
from jobs.roles.slice import RunResult, Slice
from jobs.runtime.run_folders import TREE_SUFFIX

MOST_WRITES = 20
MOST_COMPARED = 2**20


class Stopped(Exception):
    """The run was stopped. `ended` is its result."""

    ended = RunResult("stopped")


@dataclass(frozen=True)
class Ran:
    """One run of a command, with its report and the files of the commit that it changed."""

    run: CommandRun
    report: TestReport
    writes: tuple[str, ...] = ()

    def measure(self) -> Measured:
        limit = f"stopped after {self.run.timeout:g} s" if self.run.timed_out else self.run.killed
        return Measured(
            exit_code=self.run.exit_code, report=self.report, output=shorten_output(self.run.output),
            seconds=round(self.run.seconds, 3), limit=limit, writes=self.writes,
        )  # fmt: skip


@dataclass(frozen=True)
class FreshTrees:
    """The work trees of one run, at most `slots` at once. `clear` removes what an earlier slice left behind."""

    run: Slice
    slots: int = 1
    _free: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)
    _environments: dict[CommitSha, Environment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number in range(self.slots):
            self._free.put(number)

    def prepare(self, sha: CommitSha) -> Environment:
        """The environment of the commit. Raises `Stopped`, and as `prepare_environment`. Not thread-safe."""
        if sha not in self._environments:
            try:
                self._environments[sha] = prepare_environment(self.run, sha)
            except BuildStopped:
                raise Stopped from None
        return self._environments[sha]

    def execute(self, command: str, onto: CommitSha, sides: Mapping[str, Side | None], environment: CommitSha) -> Ran:
        """Run the command in a tree of `onto` with these files replaced, in the prepared environment of another commit.
        Thread-safe. Raises `Stopped`."""
        run, base = self.run, self.run.spec.workspace.base_sha
        commit = run.mirror.write_mixed_commit(onto, sides, base)
        with self._open(commit) as workspace:
            write_exclusions(workspace, self._environments[environment])
            before = _list_states(workspace)
            with run.sandbox.open(workspace, self._environments[environment]) as session:
                ran = run_reported_check(run, session, command)
            if ran is None:
                raise Stopped
            return Ran(*ran, _list_writes(workspace, before, run.stopped))

    @contextmanager
    def _open(self, commit: CommitSha) -> Iterator[Workspace]:
        slot = self._free.get()
        folder = self._find_folder(slot)
        try:
            yield self.run.mirror.create_workspace(folder, commit, self.run.spec.workspace.base_sha)
        finally:
            kill_sandboxes(folder)
            self.run.mirror.remove_workspace(folder)
            self._free.put(slot)

    def clear(self) -> None:
        """Remove the trees and the processes that still run in them."""
        for folder in self.run.folder.parent.glob(f"{self.run.folder.name}{TREE_SUFFIX}*"):
            kill_sandboxes(folder)
            self.run.mirror.remove_workspace(folder)

    def _find_folder(self, slot: int) -> Path:
        folder = self.run.folder
        return folder.with_name(f"{folder.name}{TREE_SUFFIX}{slot}")


_State = tuple[int, int, int]


def _list_states(workspace: Workspace) -> dict[str, _State]:
    """Size, time and inode of each file in the upper layer."""
    top = str(workspace.upper)
    return {os.path.relpath(name, top): _describe(state) for name, state in walk(top)}


def _describe(state: os.stat_result) -> _State:
    return (state.st_size, state.st_mtime_ns, state.st_ino)


def _list_writes(workspace: Workspace, before: Mapping[str, _State], stopped: Callable[[], bool]) -> tuple[str, ...]:
    """The files of the commit that the command changed or removed, at most `MOST_WRITES`: those of the layer as it was
    `before`, and those of the base tree."""
    found: list[str] = []
    try:
        for change in LayerWalk(workspace, with_ignored=True, stopped=stopped):
            if len(found) >= MOST_WRITES:
                break
            if change.path not in before and not _is_below(change):
                continue
            if change.state is None:
                found += [] if change.path in before else [change.path]
            elif before.get(change.path) != _describe(change.state) and not _is_copy(change):
                found.append(change.path)
    except TooManyChanges:
        return tuple(found)
    return tuple(found)


def _is_below(change: Change) -> bool:
    """Whether the base tree has the path."""
    if change.below is None:
        return False
    try:
        os.stat(change.name, dir_fd=change.below, follow_symlinks=False)
    except OSError:
        return False
    return True


def _is_copy(change: Change) -> bool:
    """Whether the entry equals that of the base tree, as after opening a file for writing, or is a folder."""
    if change.state is None or stat.S_ISDIR(change.state.st_mode):
        return change.state is not None
    with ExitStack() as opened:
        contents = []
        for folder in (change.folder, change.below):
            fd = open_file(change.name, folder) if folder is not None else None
            if fd is None:
                return False
            contents.append(opened.enter_context(os.fdopen(fd, "rb")).read(MOST_COMPARED))
    return contents[0] == contents[1] and change.state.st_size <= MOST_COMPARED
