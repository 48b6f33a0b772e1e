"""Searches the text files of a commit, for readers that have no work tree of it."""

from __future__ import annotations

from integrations.git.repository import HostRepository
from integrations.values import CommitSha

MOST_PER_FILE = 20


def search_lines(repository: HostRepository, sha: CommitSha, text: str, under: str) -> list[str]:
    """Lines with this text in files at or below `under` (empty: all), as 'path:line:text', at most 20 of a file."""
    options = ("-I", "-n", "-F", "--no-color", f"--max-count={MOST_PER_FILE}")
    found = repository.query("grep", *options, "-e", text, sha, "--", *([under] if under else []))
    lines = (found or b"").decode(errors="replace").split("\n")
    return [line.removeprefix(f"{sha}:") for line in lines if line]
