"""Pushes one commit to one branch of the code host, and deletes a branch at one commit. Called by `mirror` only.

Never forces: a branch moves forward, or is deleted, only from the commit that the caller expects."""

from __future__ import annotations

import re
from collections.abc import Sequence

from integrations.errors import Conflict, NotFound, Rejected
from integrations.git.repository import HostRepository

_BRANCH = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_./-]{0,198}[A-Za-z0-9_-])?")

_PROBE = "loopline-access-check"  # never created


def check_branch(branch: str) -> None:
    """Raise `Rejected` unless this is a plain branch name. Stricter than git: letters, digits, `_ . / -`."""
    hidden = any(part.startswith(".") or part.endswith((".", ".lock")) or not part for part in branch.split("/"))
    if not _BRANCH.fullmatch(branch) or ".." in branch or hidden or branch.startswith("refs/") or branch == "HEAD":
        raise Rejected(f"{branch[:200]!r} is not a valid branch name: use letters, digits and _ . / -")


def parse_ls_remote(answer: str, branch: str) -> tuple[str, str | None]:
    """The default branch (empty in an empty repository) and the head of `branch`.

    `answer` is that of `git ls-remote --symref`: tab-separated lines 'ref: <target>\\tHEAD' and '<sha>\\t<ref>'."""
    lines = [line.split("\t", 1) for line in answer.splitlines() if "\t" in line]
    names = {name: value for value, name in lines if not value.startswith("ref: ")}
    default = next((value.removeprefix("ref: refs/heads/") for value, name in lines if value.startswith("ref: ")), "")
    return default, names.get(f"refs/heads/{branch}")


def check_access(repository: HostRepository, sha: str) -> None:
    """Ask for a push of a new branch without making it: the code host answers as to a real one, apart from its rules
    for the content. Raises `Forbidden`, or as `push`."""
    url = repository.remote.url if repository.remote else ""
    options = ("--dry-run", "--porcelain", "--no-verify", "--no-follow-tags")
    repository.git_over_network("push", *options, "--", url, f"{sha}:refs/heads/{_PROBE}")


def push(repository: HostRepository, branch: str, sha: str, expected: str | None, protected: Sequence[str]) -> None:
    """Move the branch from `expected` (None: it must not exist) forward to `sha`. Idempotent.

    Raises `Conflict` when the branch is at another commit or `sha` does not descend from it, `Rejected` for the default
    branch, a protected one or a refusal of the code host, `NotFound` for a commit that this host has lost,
    `Unavailable` when the network fails: retry then.
    """
    place, head = _find_head(repository, branch, protected)
    if head == sha:
        return
    if head != expected:
        raise Conflict(f"the branch {place} is {head or 'gone'}, not {expected or 'new'}: another push moved it")
    if not repository.succeeds("cat-file", "-e", sha):
        raise NotFound(f"the commit {sha} for {place} is not on this host any more: retry the ticket")
    if expected and not (
        repository.succeeds("cat-file", "-e", expected)
        and repository.succeeds("merge-base", "--is-ancestor", expected, sha)
    ):
        raise Conflict(f"{sha} does not descend from {expected}: the branch {branch} would need a forced push")
    _update(repository, branch, sha, expected or "")


def delete(repository: HostRepository, branch: str, expected: str) -> None:
    """Delete the branch while it is at `expected`: the code host compares and deletes in one step. Idempotent.

    Raises `Conflict` when it is at another commit, and otherwise as `push`."""
    place, head = _find_head(repository, branch, ())
    if head is None:
        return
    if head != expected:
        raise Conflict(f"the branch {place} is {head}, not {expected}: another push moved it")
    _update(repository, branch, "", expected)


def _find_head(repository: HostRepository, branch: str, protected: Sequence[str]) -> tuple[str, str | None]:
    """The branch's name for messages, and its head. Raises `Rejected` for the default branch and protected ones."""
    check_branch(branch)
    url = repository.remote.url if repository.remote else ""
    answer = repository.git_over_network("ls-remote", "--symref", "--", url, "HEAD", f"refs/heads/{branch}")
    default, head = parse_ls_remote(answer.decode(), branch)
    place = f"{branch} of {repository.name}"
    if branch.casefold() in {name.casefold() for name in (default, *protected)}:
        raise Rejected(f"the branch {place} is protected: Loopline pushes to its own branches only")
    return place, head


def _update(repository: HostRepository, branch: str, sha: str, expected: str) -> None:
    """Compare and set the branch; an empty `expected` stands for a new branch, an empty `sha` deletes it."""
    url = repository.remote.url if repository.remote else ""
    lease = f"--force-with-lease=refs/heads/{branch}:{expected}"
    options = ("--porcelain", "--no-verify", "--no-follow-tags", lease)
    repository.git_over_network("push", *options, "--", url, f"{sha}:refs/heads/{branch}")
