"""Submodules of a repository: fetched by the host, and checked out as plain files. Called by `mirror` and `base_trees`.

Their commits are stored in the mirror of the repository that names them. Only https URLs on the repository's own code
host are contacted. No folder of a submodule has a `.git`, so that git in a sandbox leaves it as it is, and the intake
refuses each change of a gitlink.

Source of the rules for relative URLs: https://git-scm.com/docs/git-submodule
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from integrations.errors import NotFound, Rejected
from integrations.git.repository import HostRepository, Remote
from integrations.git.tree_policy import GITLINK
from integrations.ports.code_host import GitCredentials

MOST, DEEPEST = 100, 5
"""Submodules of one commit, and levels of submodules in submodules."""
_PLACE = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){2,}")
_KEY = re.compile(r"submodule\.(.*)\.(path|url)", re.DOTALL)
_TIMEOUT = 1800.0  # seconds
_OPTIONS = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")


def list_gitlinks(repository: HostRepository, sha: str) -> dict[str, str]:
    """The commit of each submodule by its path."""
    rows = repository.git("ls-tree", "-r", "-z", "--full-tree", sha).split(b"\0")
    links = (os.fsdecode(row).split("\t", 1) for row in rows if row.startswith(GITLINK.encode()))
    return {path: facts.split()[2] for facts, path in links}


def fetch_submodules(
    repository: HostRepository,
    remote: Remote,
    shas: Iterable[str],
    get_credentials: Callable[[str], GitCredentials | None],
) -> None:
    """Fetch the submodules of these commits, and theirs, unless the mirror has them. The caller holds the lock.

    `get_credentials` is called with 'owner/name'. Raises `Rejected` with the submodule's path and the fix."""
    waiting = [(sha, remote.url, "", 0) for sha in shas]
    known = set[tuple[str, str]]()
    while waiting:
        sha, base, prefix, level = waiting.pop()
        for path, commit, url in _list_urls(repository, sha, base, prefix):
            if (commit, url) in known:
                continue
            known.add((commit, url))
            if len(known) > MOST or level >= DEEPEST:
                raise _refuse(f"{prefix}{path}", f"there are more than {MOST} submodules, or {DEEPEST} levels of them")
            _fetch(repository, Remote(url, None, remote.room), commit, f"{prefix}{path}", get_credentials)
            waiting.append((commit, url, f"{prefix}{path}/", level + 1))


def _list_urls(repository: HostRepository, sha: str, base: str, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Path, commit and URL of each submodule of a commit."""
    links = list_gitlinks(repository, sha)
    try:
        urls = _read_urls(repository, sha) if links else {}
    except Rejected as error:
        raise _refuse(f"{prefix}{next(iter(links))}", "its .gitmodules cannot be read") from error
    for path, commit in links.items():
        if path not in urls:
            raise _refuse(f"{prefix}{path}", "it has no url in .gitmodules")
        try:
            yield path, commit, resolve_url(urls[path], base)
        except Rejected as error:
            raise _refuse(f"{prefix}{path}", str(error)) from error


def _read_urls(repository: HostRepository, sha: str) -> dict[str, str]:
    """The URLs in a commit's .gitmodules by path."""
    if not repository.git("ls-tree", sha, "--", ".gitmodules"):
        return {}
    # A repository without `note_damage`: an error in .gitmodules is no damage of the mirror.
    listed = (
        HostRepository(repository.folder).query(
            "config", "-z", "--blob", f"{sha}:.gitmodules", "--get-regexp", r"^submodule\."
        )
        or b""
    )
    found = dict[str, dict[str, str]]()
    for row in listed.split(b"\0"):
        key, _, text = os.fsdecode(row).partition("\n")
        if match := _KEY.fullmatch(key):
            found.setdefault(match[1], {})[match[2]] = text
    return {one["path"]: one["url"] for one in found.values() if "path" in one and "url" in one}


def resolve_url(url: str, base: str) -> str:
    """The absolute URL of a submodule of the repository at `base`. Raises `Rejected` for another host or scheme."""
    host = urlsplit(base)
    if url.startswith(("./", "../")):
        parts = host.path.strip("/").split("/")
        for part in url.rstrip("/").split("/"):
            if part == ".." and not parts:
                raise Rejected("its url leads out of the code host")
            if part == "..":
                parts.pop()
            elif part != ".":
                parts.append(part)
        url = f"{host.scheme}://{host.netloc}/{'/'.join(parts)}"
    try:
        place = urlsplit(url)
        is_same = (place.scheme, place.netloc.lower()) == (host.scheme, host.netloc.lower())
    except ValueError:
        is_same = False
    if not is_same:
        raise Rejected("its url is not an https URL of the same code host")
    if url != f"{place.scheme}://{place.netloc}{place.path}" or not _PLACE.fullmatch(place.path.removesuffix("/")):
        raise Rejected("its url is not the address of a repository")
    return url.removesuffix("/")


def _fetch(
    repository: HostRepository,
    remote: Remote,
    commit: str,
    path: str,
    get_credentials: Callable[[str], GitCredentials | None],
) -> None:
    if repository.succeeds("rev-parse", "--verify", "--quiet", f"refs/loopline/submodules/{commit}"):
        return
    try:
        credentials = get_credentials(remote.name)
        source = HostRepository(repository.folder, Remote(remote.url, credentials, remote.room))
        reference = f"refs/loopline/submodules/{commit}"
        source.git_over_network("fetch", *_OPTIONS, "--", remote.url, f"+{commit}:{reference}")
    except Rejected as error:
        raise _refuse(path, str(error)) from error


def _refuse(path: str, reason: str) -> Rejected:
    return Rejected(
        f"the submodule {path} cannot be fetched: {reason}; write a relative url such as ../name.git in .gitmodules "
        "and give Loopline access to it, or remove loop.submodules from WORKFLOW.md"
    )


def check_out_submodules(repository: HostRepository, sha: str, tree: Path, level: int = 0) -> None:
    """Write the files of a commit's submodules, and theirs, into its checkout. Raises `NotFound` for a missing one."""
    for path, commit in list_gitlinks(repository, sha).items() if level <= DEEPEST else ():
        if not repository.succeeds("rev-parse", "--verify", "--quiet", f"refs/loopline/submodules/{commit}"):
            raise NotFound(f"the submodule {path} is not in the mirror of {repository.name}: retry the ticket")
        folder = tree / path
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="loopline-index-") as place:
            variables = {"GIT_INDEX_FILE": str(Path(place) / "index"), "GIT_WORK_TREE": str(folder)}
            repository.git("read-tree", "--reset", "-u", commit, environment=variables, timeout=_TIMEOUT)
        check_out_submodules(repository, commit, folder, level + 1)
