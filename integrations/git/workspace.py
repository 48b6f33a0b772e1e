"""The paths of one run's folder on disk. Created by `mirror`, used by `integrations.sandbox` and `export`.

- folder/tree: the git worktree, where the agent works
- folder/admin: private copy of <mirror>/worktrees/<id>, that is index, HEAD and its log
- folder/objects: private object store with the mirror's objects as alternates, at their path inside the sandbox
- folder/refs, folder/logs: private references; the agent's branches and stash stay here
- folder/packed-refs: snapshot of the repository's branches and tags at the creation of the workspace
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SHARED_OBJECTS = Path("/run/repository/objects")
"""Where the mirror's objects are inside the sandbox. The private store is mounted over their original path and lists
this one in `info/alternates`. Environment variables would also affect every repository that a test suite creates."""


@dataclass(frozen=True)
class Workspace:
    """A run's files. Everything that the agent can write is inside `folder`, whose top level belongs to the host.

    `git_dir` is the mirror, read-only inside the sandbox; `admin` is the mirror's `worktrees/<id>`, over which
    `private_admin` is mounted, so the agent's index and HEAD never reach the mirror.
    """

    folder: Path
    tree: Path
    git_dir: Path
    admin: Path
    private_admin: Path
    objects: Path
    base_sha: str

    @property
    def refs(self) -> Path:
        """Private references, mounted over the mirror's `refs`."""
        return self.folder / "refs"

    @property
    def logs(self) -> Path:
        """Private reference logs, mounted over the mirror's `logs`."""
        return self.folder / "logs"

    @property
    def packed_refs(self) -> Path:
        """The branches and tags visible to the agent, mounted read-only over the mirror's `packed-refs`."""
        return self.folder / "packed-refs"
