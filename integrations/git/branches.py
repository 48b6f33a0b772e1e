"""Remote-tracking branches of the mirror: fetches single ones from the code host. Called by `mirror` only.

Only the branches that a loop needs are fetched, so an object on any other branch or tag cannot stop it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from integrations.errors import Conflict, NotFound, Rejected
from integrations.git.failures import MissingBranch
from integrations.git.repository import HostRepository
from integrations.values import CommitSha

TRACKING = "refs/remotes/origin/"
_MAX_NAME, _MAX_COMPONENT = 400, 240  # bytes; a component and `.lock` are a file name
_FORBIDDEN = re.compile(r"[\0-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|//|/\.|\.lock(/|$)|^[/.]|[/.]$|^$")


def check_name(branch: str) -> None:
    """Raise `Rejected` unless git accepts this as a branch name (git help check-ref-format)."""
    if _FORBIDDEN.search(branch):
        raise Rejected(f"{branch[:200]!r} is not a valid branch name: git help check-ref-format has the rules")
    if len(branch.encode()) > _MAX_NAME or any(len(part.encode()) > _MAX_COMPONENT for part in branch.split("/")):
        raise Rejected(f"the branch name {branch[:60]}… is too long: use at most {_MAX_COMPONENT} bytes")


def fetch_branches(repository: HostRepository, names: Sequence[str]) -> None:
    """Update the tracking branches; delete those that the code host lacks. The caller holds the lock.

    All are read from one answer of the code host, so that a page that is not git's lacks the first of them too."""
    url, wanted = repository.remote.url if repository.remote else "", list(dict.fromkeys(names))
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")
    while wanted:
        refspecs = (f"+refs/heads/{name}:{TRACKING}{name}" for name in wanted)
        try:
            repository.git_over_network("fetch", *options, "--", url, *refspecs)
            break
        except MissingBranch as error:
            gone = [name for name in wanted if str(error).endswith(f" refs/heads/{name}")]
        except Conflict:
            gone = []
        except Rejected as error:
            if type(error) is not Rejected:
                raise
            place = f"the branch {' or '.join(wanted)} of {repository.name}"
            raise Rejected(f"{place} cannot be fetched: {error}") from error
        stale = find_name_conflicts(_list_names(repository), wanted)
        if not gone and not stale:
            raise
        delete_branches(repository, {*gone, *stale})
        wanted = [name for name in wanted if name not in gone]
    stored = set(_list_names(repository))
    if refused := [name for name in wanted if name not in stored]:
        place = f"the branch {refused[0]} of {repository.name}"
        raise Rejected(f"{place} cannot be fetched: the code host has a shallow clone of it, push its full history")


def find_name_conflicts(names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """The names that cannot exist together with one of `wanted`: `a` and `a/b` are a file and a folder of one name.

    The code host has the same rule, so these branches were deleted there."""
    pairs = ((name, branch) for name in names for branch in wanted)
    return [name for name, branch in pairs if name.startswith(f"{branch}/") or branch.startswith(f"{name}/")]


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
        raise NotFound(
            f"there is no branch {branch} in {repository.name}: push it, or check the default branch and the address"
        )
    return CommitSha(found.decode().strip())
