"""The host-owned bare mirror of one repository: the only way in and out for commits. Called by `jobs`.

The host alone writes here. Agents see it read-only; their commits come back as a pack and pass `quarantine` first.
Files are read from commits, never from a worktree, so that a planted link leads nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from integrations.errors import NotFound, Rejected
from integrations.git import push as pushing
from integrations.git import worktrees
from integrations.git.changes import MAX_READ, Change, Side, read_changes, write_mix
from integrations.git.locks import locked, single_flight
from integrations.git.quarantine import SHA, index, judge, quarantine, release
from integrations.git.repository import HostRepository, Remote
from integrations.git.tree_policy import LINK, TreeLimits
from integrations.git.workspace import Workspace
from integrations.ports.code_host import GitCredentials

_CONFIG = """\
[core]
	repositoryformatversion = 1
	bare = true
	filemode = true
[extensions]
	preciousObjects = true
[gc]
	auto = 0
[maintenance]
	auto = false
"""
_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


class Mirror:
    """The mirror in `folder` of the repository at `url`. Any number of objects and processes may share one folder.

    Locks and quarantines live beside the folder, so that a sandbox, which sees the folder, does not see them.
    Every method may be called again after a crash.
    """

    def __init__(self, folder: Path, url: str, credentials: GitCredentials | None = None) -> None:
        self._folder, self._remote = folder, Remote(url, credentials)
        self._repository = HostRepository(folder, self._remote)
        self._lock = folder.with_name(f"{folder.name}.lock")

    def fetch(self) -> None:
        """Bring branches and tags up to date, making the mirror on first use.

        Callers that wait for the same fetch share it. Raises `Unavailable`, `Unauthorized` or `NotFound`."""
        single_flight(self._folder.with_name(f"{self._folder.name}.fetch"), self._fetch)

    def _fetch(self) -> None:
        with locked(self._lock):
            self._prepare()
            options = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
            self._repository.network("fetch", *options, "--", self._remote.url, *_REFSPECS)

    def _prepare(self) -> None:
        """Make the empty mirror. `packed-refs` comes last; it, `logs` and `worktrees` must exist to be mounted over."""
        if (self._folder / "packed-refs").exists():
            return
        self._repository.initialise()
        (self._folder / "config").write_text(_CONFIG)
        for name in ("logs", "worktrees"):
            (self._folder / name).mkdir(exist_ok=True)
        (self._folder / "packed-refs").touch()

    def head(self, branch: str) -> str:
        """The branch's commit as of the last fetch. Raises `NotFound` that names both."""
        pushing.check_branch(branch)
        try:
            return self._resolve(f"refs/heads/{branch}")
        except NotFound as error:
            raise NotFound(f"there is no branch {branch} in {self._remote.name}") from error

    def _resolve(self, revision: str) -> str:
        """The commit that a sha, branch or tag names."""
        if revision.startswith("-") or any(c in revision for c in "^~:@{}\\ \n*?["):
            raise Rejected(f"{revision[:200]!r} is no revision: give a sha, a branch or a tag")
        found = self._repository.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if found is None:
            raise NotFound(f"there is no commit {revision} in {self._remote.name}")
        return found.decode().strip()

    def read(self, revision: str, path: str) -> str | None:
        """A file's text in a commit; None when there is no such file. A link is no file.

        Raises `NotFound` for an unknown revision, `Rejected` above 1 MiB or when it is not UTF-8."""
        sha = self._resolve(revision)
        if {"", ".", ".."} & set(path.split("/")):
            return None
        found = self._repository.git("ls-tree", "-z", "-l", "--full-tree", sha, "--", path)
        fields = found.split(b"\t", 1)[0].decode().split()
        if len(fields) != 4 or fields[1] != "blob" or fields[0] == LINK:
            return None
        if int(fields[3]) > MAX_READ:
            raise Rejected(f"{path} in {self._remote.name} has {fields[3]} bytes, more than the {MAX_READ} we read")
        try:
            return self._repository.git("cat-file", "blob", fields[2]).decode()
        except UnicodeDecodeError as error:
            raise Rejected(f"{path} in {self._remote.name} is not UTF-8 text") from error

    def files(self, revision: str, *under: str) -> list[str]:
        """Paths of the files in a commit, or of those at or below `under`, sorted by git. Links are no files.

        Raises `NotFound` for an unknown revision."""
        sha = self._resolve(revision)
        if any({"", ".", ".."} & set(path.split("/")) for path in under):
            return []
        listed = self._repository.git("ls-tree", "-r", "-z", "--full-tree", sha, "--", *under)
        rows = (row.decode(errors="replace").split("\t", 1) for row in listed.split(b"\0") if row)
        return [path for facts, path in rows if facts.split()[1] == "blob" and facts.split()[0] != LINK]

    def create_workspace(self, folder: Path, sha: str) -> Workspace:
        """A locked, detached worktree of `sha` with everything an agent may write, all below `folder`.

        A complete one of the same commit is adopted, a half-made one replaced. Raises `Conflict` when the folder holds
        another commit, `NotFound` when there is no such commit. One caller per folder at a time."""
        _check_sha(sha)
        return worktrees.create(self._repository, self._lock, folder.absolute(), sha)

    def remove_workspace(self, folder: Path) -> None:
        """Delete the folder and forget its worktree; gone already is success. Nothing in it is read or run."""
        worktrees.remove(self._repository, self._lock, folder.absolute())

    def receive(self, pack: bytes | Path, tip: str, base: str, limits: TreeLimits) -> None:
        """Take an agent's commits in, if they pass: strict indexing, completeness, ancestry, tree policy.

        `pack` may be empty when `tip` is known already. Raises `Rejected` with the reasons, and nothing has changed."""
        _check_sha(tip)
        if tip == base:
            return
        with quarantine(self._folder / "objects", self._folder.parent, tip) as repository:
            index(repository, pack, limits.max_pack_bytes)
            judge(repository, tip, base, limits)
            release(repository, self._folder / "objects")
        self._keep("received", tip)

    def _keep(self, kind: str, sha: str) -> None:
        self._repository.git("update-ref", f"refs/loopline/{kind}/{sha}", sha)

    def candidate(self, tree_of: str, parent: str, message: str, author: str, email: str, when: int) -> str:
        """One commit on `parent` with the tree of `tree_of` and nothing else of the agent's history.

        `when` is in Unix seconds. The same arguments give the same sha; `parent` itself when the trees are equal."""
        tree, old_tree = self.tree_of(tree_of), self.tree_of(parent)
        if tree == old_tree:
            return parent
        person = {"NAME": author, "EMAIL": email, "DATE": f"@{when} +0000"}
        environment = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in person.items()}
        arguments = ("commit-tree", tree, "-p", parent, "-F", "-")
        made = self._repository.git(*arguments, stdin=message.encode(), environment=environment)
        sha = made.decode().strip()
        self._keep("candidate", sha)
        return sha

    def changes(self, base: str, sha: str) -> list[Change]:
        """What two commits differ in, with the text of both sides; a rename is two changes."""
        return read_changes(self._repository, *_checked(base, sha))

    def mixed(self, onto: str, sides: Mapping[str, Side | None]) -> str:
        """A commit like `onto` in which these paths are as given (None: gone); `onto` itself when there are none.

        Nothing refers to it: it is for a checkout, never for a push. The same arguments give the same sha."""
        _check_sha(onto)
        return write_mix(self._repository, onto, sides) if sides else onto

    def tree_of(self, sha: str) -> str:
        """The id of the commit's tree: equal for commits with equal files."""
        _check_sha(sha)
        return self._repository.git("rev-parse", f"{sha}^{{tree}}").decode().strip()

    def diff(self, base: str, sha: str, max_bytes: int) -> str:
        """The patch between two commits, cut after `max_bytes` with a line that says so."""
        options = ("-p", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", "--stat")
        patch = self._repository.git("diff-tree", *options, *_checked(base, sha))
        text = patch[:max_bytes].decode(errors="replace")
        return text if len(patch) <= max_bytes else f"{text}\n[... {len(patch) - max_bytes} bytes cut ...]\n"

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` contains `older`. Raises `Rejected` when one of them is unknown."""
        return self._repository.succeeds("merge-base", "--is-ancestor", *_checked(older, newer))

    def push(self, branch: str, sha: str, expected: str | None, protected: Sequence[str] = ()) -> None:
        """Move `branch` on the code host from `expected` (None: must not exist) forward to `sha`. Never forces.

        There already is success. Raises `Conflict` when the branch stands elsewhere or would have to be forced,
        `Rejected` for the default branch, for `protected` ones and for refusals of the code host."""
        _check_sha(sha)
        pushing.push(self._repository, branch, sha, expected, protected)


def _check_sha(sha: str) -> None:
    if not SHA.fullmatch(sha):
        raise Rejected(f"{sha[:80]!r} is no commit: give 40 hex digits")


def _checked(*shas: str) -> tuple[str, ...]:
    for sha in shas:
        _check_sha(sha)
    return shas
