"""Remote-tracking branches of the mirror: fetches single ones from the code host. Called by `mirror` only.

Only the branches that a loop needs are fetched, so an object on any other branch or tag cannot stop it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from integrations.errors import Conflict, NotFound, Rejected
from integrations.git.failures import MissingBranch
from integrations.git.repository import HostRepository
from integrations.values import CommitSha

TRACKING = "refs/remotes/origin/"
_FORBIDDEN = re.compile(r"[\0-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|//|/\.|\.lock(/|$)|^[/.]|[/.]$|^$")


def check_name(branch: str) -> None:
    """Raise `Rejected` unless git accepts this as a branch name (git help check-ref-format)."""
    if _FORBIDDEN.search(branch) or len(branch.encode()) > 1000:
        raise Rejected(f"{branch[:200]!r} is not a valid branch name: git help check-ref-format has the rules")


def fetch_branch(repository: HostRepository, branch: str) -> None:
    """Update the tracking branch; delete it when the code host has no such branch. The caller holds the lock."""
    check_name(branch)
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")
    url = repository.remote.url if repository.remote else ""
    arguments = ("fetch", *options, "--", url, f"+refs/heads/{branch}:{TRACKING}{branch}")
    try:
        repository.git_over_network(*arguments)
    except MissingBranch:
        delete_branches(repository, [branch])
    except Conflict:
        if not (stale := find_name_conflicts(_list_names(repository), branch)):
            raise
        delete_branches(repository, stale)
        repository.git_over_network(*arguments)


def find_name_conflicts(names: Iterable[str], branch: str) -> list[str]:
    """The names that cannot exist together with `branch`: `a` and `a/b` are a file and a folder of one name.

    The code host has the same rule, so these branches were deleted there."""
    return [name for name in names if name.startswith(f"{branch}/") or branch.startswith(f"{name}/")]


def delete_branches(repository: HostRepository, branches: Iterable[str]) -> None:
    """Delete tracking branches. Idempotent. The caller holds the lock."""
    for branch in branches:
        repository.git("update-ref", "-d", f"{TRACKING}{branch}")


def _list_names(repository: HostRepository) -> list[str]:
    listed = repository.git("for-each-ref", "--format=%(refname)", TRACKING).decode(errors="surrogateescape")
    return [name.removeprefix(TRACKING) for name in listed.splitlines()]


def resolve_branch(repository: HostRepository, branch: str) -> CommitSha:
    """The commit of the tracking branch. Raises `NotFound`."""
    check_name(branch)
    found = repository.query("rev-parse", "--verify", "--quiet", "--end-of-options", f"{TRACKING}{branch}^{{commit}}")
    if found is None:
        raise NotFound(f"there is no branch {branch} in {repository.name}: create it, or change the default branch")
    return CommitSha(found.decode().strip())
