"""Files of Git LFS: found in a commit, kept in a cache beside the mirror, and written into base trees.

`lfs_fetch` fills the cache. In a work tree a file has its content and git has its pointer: the filter `CLEAN` makes the
pointer of a file again, so a file that an agent leaves as it is stays unchanged. The intake refuses all other pointers.

Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from integrations.errors import NotFound
from integrations.git.lfs_pointer import MAX_POINTER, Pointer, format_pointer, parse_pointer
from integrations.git.quarantine import read_contents
from integrations.git.repository import HostRepository
from integrations.git.tree_policy import FILE, PROGRAM

_TIMEOUT = 1800.0  # seconds
CLEAN = (
    'f=$(git rev-parse --git-path lfs-clean-$$) && cat >"$f" && s=$(wc -c <"$f" | tr -d " ") && '
    'if [ "$s" = 0 ] || { [ "$s" -lt 1024 ] && '
    r'head -n 1 "$f" | grep -q "^version https://\(git-lfs\|hawser\)[.]github"; }; then cat "$f"; else '
    'printf "version https://git-lfs.github.com/spec/v1\\noid sha256:%s\\nsize %s\\n" '
    '"$(sha256sum <"$f" | cut -c 1-64)" "$s"; fi; rm -f "$f"'
)
"""The filter of git that turns a file into its pointer. A shell script, because no sandbox has to have Git LFS."""


def list_pointers(repository: HostRepository, sha: str) -> dict[str, bytes]:
    """The content of each pointer of a commit by its path.

    Small files are read only if a `.gitattributes` of the commit names the filter of Git LFS."""
    rows = repository.git("ls-tree", "-r", "-z", "-l", "--full-tree", sha).split(b"\0")
    split = ((facts.split(), os.fsdecode(path)) for facts, _, path in (row.partition(b"\t") for row in rows if row))
    files = [
        (f[2].decode(), int(f[3]), path) for f, path in split if f[0].decode() in (FILE, PROGRAM) and f[3].isdigit()
    ]
    attributes = [name for name, size, path in files if path.rsplit("/")[-1] == ".gitattributes" and size < 2**20]
    if not any(b"filter=lfs" in content for content in read_contents(repository, attributes).values()):
        return {}
    small = read_contents(repository, sorted({name for name, size, _ in files if size <= MAX_POINTER}))
    return {path: small[name] for name, _, path in files if name in small and parse_pointer(small[name])}


def list_large_files(repository: HostRepository, sha: str) -> dict[str, Pointer]:
    """The files of a commit whose content Loopline can write: those with the filter of Git LFS, and a pointer in the
    form that the filter makes again."""
    found = {path: (content, parse_pointer(content)) for path, content in list_pointers(repository, sha).items()}
    plain = {path: one for path, (content, one) in found.items() if one and content == format_pointer(one)}
    filtered = set(_list_filtered(repository, sha, plain)) if plain else set()
    return {path: pointer for path, pointer in plain.items() if path in filtered}


def _list_filtered(repository: HostRepository, sha: str, paths: dict[str, Pointer]) -> Iterator[str]:
    stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
    with tempfile.TemporaryDirectory(prefix="loopline-index-") as place:
        index = {"GIT_INDEX_FILE": str(Path(place) / "index")}
        repository.git("read-tree", sha, environment=index, timeout=_TIMEOUT)
        rows = repository.git("check-attr", "--cached", "-z", "--stdin", "filter", stdin=stdin, environment=index)
    fields = rows.split(b"\0")
    for path, value in zip(fields[0::3], fields[2::3], strict=False):
        if value == b"lfs":
            yield os.fsdecode(path)


def find_object(repository: HostRepository, oid: str) -> Path:
    """The place of an object in the repository's cache, whether it is there or not."""
    return repository.folder.with_name(f"{repository.folder.name}.lfs") / oid[:2] / oid


def check_out_large_files(repository: HostRepository, sha: str, tree: Path, index: Path) -> None:
    """Replace the pointers in a checkout of the commit by their content, and let its index know the new files.

    Raises `NotFound` for an object that was not fetched."""
    files = list_large_files(repository, sha)
    for path, pointer in files.items():
        found = find_object(repository, pointer.oid)
        if not found.is_file():
            raise NotFound(f"the file {path} of Git LFS is not in the cache of {repository.name}: retry the ticket")
        shutil.copyfile(found, tree / path)
    place = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(tree)}
    stdin = b"".join(os.fsencode(path) + b"\0" for path in files)
    # git compares content only where the index has no size, so the entries are made anew and then refreshed.
    staged = repository.git("ls-files", "-s", "-z", environment=place).split(b"\0")
    own = set(stdin.split(b"\0"))
    rows = b"".join(row + b"\0" for row in staged if row.partition(b"\t")[2] in own and row)
    repository.git("update-index", "-z", "--index-info", stdin=rows, environment=place)
    refresh = ("update-index", "-q", "--really-refresh")
    repository.git(*refresh, environment=place, settings=(f"filter.lfs.clean={CLEAN}",), timeout=_TIMEOUT)


def format_config() -> str:
    """The section of a git configuration with the filter."""
    escaped = CLEAN.replace("\\", "\\\\").replace('"', '\\"')
    return f'[filter "lfs"]\n\tclean = "{escaped}"\n'
