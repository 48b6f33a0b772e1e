"""Finds content that a checkout of a commit lacks: submodules and files of Git LFS. Called by `mirror`."""

from __future__ import annotations

from integrations.git.lfs_pointer import MAX_POINTER
from integrations.git.quarantine import find_pointers, read_contents
from integrations.git.repository import HostRepository
from integrations.git.tree_policy import FILE, GITLINK, PROGRAM


def find_unfetched(repository: HostRepository, sha: str) -> tuple[list[str], list[str]]:
    """Paths of the commit's submodules, and of the files whose content is in Git LFS.

    Small files are read only if a `.gitattributes` of the commit names the filter of Git LFS."""
    rows = [
        (facts.split(), path)
        for facts, _, path in (
            row.decode(errors="replace").partition("\t")
            for row in repository.git("ls-tree", "-r", "-z", "-l", "--full-tree", sha).split(b"\0")
            if row
        )
    ]
    submodules = [path for (mode, *_), path in rows if mode == GITLINK]
    files = [(one[2], int(one[3]), path) for one, path in rows if one[0] in (FILE, PROGRAM) and one[3].isdigit()]
    attributes = [name for name, size, path in files if path.rsplit("/")[-1] == ".gitattributes" and size < 2**20]
    if not any(b"filter=lfs" in content for content in read_contents(repository, attributes).values()):
        return submodules, []
    pointers = find_pointers(repository, {name for name, size, _ in files if size <= MAX_POINTER})
    return submodules, [path for name, _, path in files if name in pointers]
