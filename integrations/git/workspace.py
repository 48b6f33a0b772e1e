"""The paths of one run's folder on disk. Created by `mirror`, used by `integrations.sandbox` and `export`.

- folder/tree: upper layer of the work tree, the files that differ from the base tree
- folder/home: the same of the home folder, where the environment has a layer for it
- folder/work: scratch folders of the overlays, one for each command
- folder/git: private git directory with HEAD, index, references, branches, stash, and an object store that has the
  mirror's objects as alternates; `config`, `hooks`, `info` and `packed-refs` are read-only inside

An upper layer marks a deleted file with a character device 0:0, and a folder that hides the one below with the extended
attribute `user.overlay.opaque`: https://docs.kernel.org/filesystems/overlayfs.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SHARED_OBJECTS = Path("/run/repository/objects")
"""Where the mirror's objects are inside the sandbox; the private store lists this path in `info/alternates`.
Environment variables would also affect every repository that a test suite creates."""
READ_ONLY = ("config", "hooks", "info", "packed-refs")
"""Entries of the private git directory that only the host writes."""


@dataclass(frozen=True)
class Workspace:
    """A run's files at commit `base_sha`. Everything that the agent can write is inside `folder`, whose top level
    belongs to the host.

    `lower` is a clean checkout of the commit `lower_sha`, shared by many runs and never written after its creation.
    `objects` are the mirror's, read-only inside.
    """

    folder: Path
    lower: Path
    objects: Path
    base_sha: str
    lower_sha: str

    @property
    def upper(self) -> Path:
        """The files of the work tree that differ from `lower`."""
        return self.folder / "tree"

    @property
    def scratch(self) -> Path:
        """Scratch folders of the overlays, on the same file system as `upper`."""
        return self.folder / "work"

    @property
    def home(self) -> Path:
        """The files of the home folder that differ from the environment's."""
        return self.folder / "home"

    @property
    def git(self) -> Path:
        """The private git directory."""
        return self.folder / "git"

    @property
    def writable_folders(self) -> tuple[Path, ...]:
        """The folders that an agent can write. An agent can also remove its own access to them."""
        return (self.upper, self.home, self.git)
