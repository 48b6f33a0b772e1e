"""Searches the objects that a push would send. Called by `mirror.find_outgoing`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from integrations.git.quarantine import read_contents, read_sizes
from integrations.git.repository import HostRepository

_BATCH = 2**25
"""Bytes that are read at once; a larger object is read alone."""


def find_outgoing(
    repository: HostRepository, sha: str, known: Sequence[str], matches: Callable[[bytes], bool]
) -> str | None:
    """The place of the first commit, folder or file, also of an earlier commit, that `matches`; None without one.

    Objects that a commit in `known` has are on the code host already and are not searched."""
    present = [one for one in known if repository.succeeds("cat-file", "-e", one)]
    listed = repository.git("rev-list", "--objects", sha, *(f"^{one}" for one in present))
    rows = [row.partition(" ") for row in listed.decode(errors="replace").splitlines()]
    places = {name: path for name, _, path in rows}
    sizes = read_sizes(repository, list(places))
    for batch in _split(sizes):
        for name, content in read_contents(repository, batch).items():
            if matches(content):
                return f"the file {places[name]}" if places[name] else f"the commit or folder {name[:12]}"
    return None


def _split(sizes: dict[str, int]) -> Iterator[list[str]]:
    batch: list[str] = []
    total = 0
    for name, size in sizes.items():
        if batch and total + size > _BATCH:
            yield batch
            batch, total = [], 0
        batch.append(name)
        total += size
    if batch:
        yield batch
