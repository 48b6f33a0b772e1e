"""Replaces a damaged mirror: fetches it again beside the old one and keeps the candidates. Called by `mirror` only.

The causes are outside of Loopline: a power loss, a bad disk, a file that was deleted by hand.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from integrations.errors import IntegrationError
from integrations.git.quarantine import SHA
from integrations.git.repository import HostRepository

_MAX_KEPT = 500  # references, newest first
_log = structlog.get_logger(__name__)


def replace_mirror(folder: Path, reason: str, clone: Callable[[Path], HostRepository]) -> None:
    """Swap the mirror in `folder` for a new one that `clone` creates in the given folder.

    The caller holds the lock. Raises as `clone` does, and then changes nothing."""
    fresh, broken = folder.with_name(f"{folder.name}.fresh"), folder.with_name(f"{folder.name}.broken")
    _delete(fresh)
    try:
        repository = clone(fresh)
        new = set(repository.git("for-each-ref", "--format=%(refname)").decode(errors="surrogateescape").splitlines())
        references = [(name, sha) for name, sha in _list_references(folder) if name not in new][:_MAX_KEPT]
        kept = sum(_copy_reference(repository, folder / "objects", name, sha) for name, sha in references)
        _delete(broken)
        folder.rename(broken)
        fresh.rename(folder)
    finally:
        _delete(fresh)
    _delete(broken)
    _log.warning(
        "mirror was damaged, fetched again",
        repository=repository.name, reason=reason, references=len(references), references_kept=kept,
    )  # fmt: skip


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _list_references(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and sha of Loopline's references and branches, newest first, from their files because git can fail here."""
    files = [path for kind in ("loopline", "remotes") for path in (folder / "refs" / kind).rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True):
        sha = path.read_text(errors="replace").strip()
        if SHA.fullmatch(sha):
            yield path.relative_to(folder).as_posix(), sha


def _copy_reference(repository: HostRepository, objects: Path, name: str, sha: str) -> bool:
    """Copy the commit and the objects that the new mirror lacks. False when some of them cannot be read."""
    pack, old = repository.folder / "objects" / "pack" / "pack", {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects)}
    try:
        heads = repository.git("for-each-ref", "--format=^%(objectname)")
        repository.git(
            "pack-objects", "--quiet", "--revs", str(pack), stdin=f"{sha}\n".encode() + heads, environment=old
        )
        repository.git("update-ref", name, sha)
    except IntegrationError:
        return False
    return True
