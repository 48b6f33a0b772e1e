"""One run's folder on disk. Made by `mirror`, read by `integrations.sandbox` and `export`; paths and nothing else.

- folder/tree: the git worktree, where the agent works
- folder/admin: private copy of <mirror>/worktrees/<id>, that is index, HEAD and its log
- folder/objects: private object store, which borrows the mirror's objects from where the sandbox shows them
- folder/refs, folder/logs: private references; branches and the stash that the agent makes stay here
- folder/packed-refs: the repository's branches and tags as they were when the workspace was made
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SHARED_OBJECTS = Path("/run/repository/objects")
"""Where the mirror's objects are inside the sandbox. The private store is mounted over their own place and names this
path in `info/alternates`. Variables would do the same, and mislead every other repository that a test suite makes."""


@dataclass(frozen=True)
class Workspace:
    """Where a run's files are. What the agent may write is inside `folder`, whose top belongs to the host.

    `git_dir` is the mirror, seen read-only inside the sandbox; `admin` is the mirror's own `worktrees/<id>`, over which
    `private_admin` is mounted, so that the agent's index and HEAD never reach the mirror.
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
        """The branches and tags that the agent sees, mounted read-only over the mirror's `packed-refs`."""
        return self.folder / "packed-refs"
