"""The host's bare mirror of one repository. All commits enter and leave through it. Called by `jobs`.

Only the host writes to it. Agents see it read-only; their commits arrive as a pack and pass `quarantine` first.
Files are read from commits, never from a worktree, so a planted symbolic link has no effect.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from integrations.errors import NotFound, Rejected
from integrations.git import branches, layers, repair
from integrations.git import push as pushing
from integrations.git.base_trees import BaseTrees
from integrations.git.changes import MAX_READ, MAX_TOTAL, Change, Side, build_identity, read_changes, write_mixed_commit
from integrations.git.failures import Damaged
from integrations.git.history import ListedCommit, read_author, read_history
from integrations.git.lfs_fetch import fetch_large_files
from integrations.git.line_edits import LineEdit, write_blob, write_edits
from integrations.git.locks import remove_leftovers, repository_lock, single_flight
from integrations.git.merging import Merge, list_causes, merge_trees
from integrations.git.outgoing import find_outgoing
from integrations.git.patch import read_patch
from integrations.git.quarantine import SHA, check_commit, index_pack, move_objects, open_quarantine
from integrations.git.repository import HostRepository, Remote
from integrations.git.searching import search_lines
from integrations.git.signing import run_signed
from integrations.git.submodules import fetch_submodules, list_gitlinks
from integrations.git.tree_policy import LINK, TreeLimits
from integrations.git.unfetched import find_unfetched
from integrations.git.workspace import Workspace
from integrations.ports.code_host import GitCredentials
from integrations.values import NO_COMMIT, CommitSha

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


class Mirror:
    """The mirror in `folder` of the repository at `url`. Objects and processes can share one folder.

    Locks and quarantines are beside the folder. A fetch can add `room` bytes. `trees` is the folder of the base trees,
    by default also beside it. `signing_key` is the file of the key that signs candidates. With `submodules`
    and `lfs`, workspaces have their files and the content of Git LFS. Every method is idempotent and can be retried
    after a crash.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        credentials: GitCredentials | None = None,
        room: int = 0,
        trees: Path | None = None,
        signing_key: Path | None = None,
        submodules: bool = False,
        lfs: bool = False,
    ) -> None:
        self._folder, self._remote = folder, Remote(url, credentials, room)
        self._damage = folder.with_name(f"{folder.name}.damaged")
        self._repository = HostRepository(folder, self._remote, self._note_damage)
        self._signing_key, self._submodules, self._lfs = signing_key, submodules, lfs
        self._bases = BaseTrees((trees or folder.with_name(f"{folder.name}.trees")).absolute())

    def fetch(self, *names: str) -> None:
        """Update these branches; creates the mirror on first use, and again when it is damaged.

        A branch that the code host lacks is no error: `head` does not find it. Concurrent callers share one fetch of a
        branch. Raises `Unavailable`, `Unauthorized` or `Rejected`."""
        for name in names:
            branches.check_name(name)
        single_flight(self._folder.with_name(f"{self._folder.name}.fetch"), names, self._fetch)

    def _fetch(self, names: Sequence[str]) -> None:
        def clone(folder: Path) -> HostRepository:
            repository = HostRepository(folder, self._remote)
            _create_if_missing(repository)
            branches.fetch_branches(repository, names)
            return repository

        with repository_lock(self._folder):
            try:
                if not self._damage.exists():
                    _create_if_missing(self._repository)
                    branches.fetch_branches(self._repository, names)
                    return
                reason = self._damage.read_text(errors="replace")
            except (Damaged, FileExistsError) as error:
                reason = str(error.__cause__ or error)
            repair.replace_mirror(self._folder, reason, clone)
            branches.fetch_branches(self._repository, names)  # a kept branch can be deleted on the code host
            self._damage.unlink(missing_ok=True)

    def fetch_submodules(
        self, shas: Iterable[CommitSha], get_credentials: Callable[[str], GitCredentials | None]
    ) -> None:
        """Fetch the submodules of these commits with the credentials for 'owner/name', unless the mirror has them.

        Raises `Unavailable`, or `Rejected` with the submodule's path and the fix."""
        with repository_lock(self._folder):
            fetch_submodules(self._repository, self._remote, _check_shas(*shas), get_credentials)

    def fetch_large_files(self, shas: Iterable[CommitSha]) -> None:
        """Fetch the objects of Git LFS of these commits from the code host, unless the mirror's cache has them.

        Raises `Unavailable`, or `Rejected` with the file's path and the fix."""
        with repository_lock(self._folder):
            fetch_large_files(self._repository, self._remote, _check_shas(*shas))

    def _note_damage(self, reason: str) -> None:
        """Let the next fetch replace the mirror."""
        if self._folder.exists():
            with suppress(OSError):  # a full disk: the next command notes it
                self._damage.write_text(reason)

    def head(self, branch: str) -> CommitSha:
        """The branch's commit as of its last fetch. Raises `NotFound`."""
        return branches.resolve_branch(self._repository, branch)

    def delete_branch(self, branch: str, expected: CommitSha) -> None:
        """Delete the branch on the code host while it is at `expected`, and the mirror's copy of it. Idempotent.

        Raises `Conflict` when the branch is at another commit, and otherwise as `push`."""
        _check_shas(expected)
        with repository_lock(self._folder):
            _create_if_missing(self._repository)
        pushing.delete(self._repository, branch, expected)
        self.forget(branch)

    def forget(self, branch: str) -> None:
        """Delete the mirror's copy of a branch that is no longer needed. Idempotent."""
        branches.check_name(branch)
        if (self._folder / "packed-refs").exists():
            with repository_lock(self._folder):
                branches.delete_branches(self._repository, [branch])

    def _resolve(self, revision: str) -> CommitSha:
        """The commit of a sha or a branch."""
        if not SHA.fullmatch(revision):
            return self.head(revision)
        found = self._repository.query("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if found is None:
            raise NotFound(f"there is no commit {revision} in {self._remote.name}")
        return CommitSha(found.decode().strip())

    def read(self, revision: str, path: str) -> str | None:
        """A file's text in a commit, without a byte order mark; None when there is no such regular file.

        Raises `NotFound` for an unknown revision, `Rejected` above 1 MiB or when it is not UTF-8."""
        sha = self._resolve(revision)
        if {"", ".", ".."} & set(path.split("/")):
            return None
        found = self._repository.git("ls-tree", "-z", "-l", "--full-tree", sha, "--", path)
        fields = found.split(b"\t", 1)[0].decode().split()
        if len(fields) != 4 or fields[1] != "blob" or fields[0] == LINK:
            return None
        if fields[3] == "BAD":
            raise self._repository.report_damage(f"{path} of {self._remote.name} cannot be read")
        if int(fields[3]) > MAX_READ:
            raise Rejected(f"{path} in {self._remote.name} has {fields[3]} bytes, more than the limit of {MAX_READ}")
        try:
            return self._repository.git("cat-file", "blob", fields[2]).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Rejected(f"{path} in {self._remote.name} is not UTF-8 text") from error

    def files(self, revision: str, *under: str) -> list[str]:
        """Paths of the regular files in a commit, optionally only those at or below `under`, sorted by git.

        Raises `NotFound` for an unknown revision."""
        sha = self._resolve(revision)
        if any({"", ".", ".."} & set(path.split("/")) for path in under):
            return []
        listed = self._repository.git("ls-tree", "-r", "-z", "--full-tree", sha, "--", *under)
        rows = (row.decode(errors="replace").split("\t", 1) for row in listed.split(b"\0") if row)
        return [path for facts, path in rows if facts.split()[1] == "blob" and facts.split()[0] != LINK]

    def search(self, revision: str, text: str, under: str, most: int) -> list[str]:
        """Lines with this text in a commit's text files at or below `under`, as 'path:line:text', at most `most`."""
        return search_lines(self._repository, self._resolve(revision), text, under)[:most]

    def list_root(self, revision: str) -> list[str]:
        """Names of the files and folders at the root of a commit. Raises `NotFound` for an unknown revision."""
        listed = self._repository.git("ls-tree", "-z", "--name-only", "--full-tree", self._resolve(revision))
        return [name.decode(errors="replace") for name in listed.split(b"\0") if name]

    def list_objects(self, revision: str) -> dict[str, str]:
        """The git object of each file, link and submodule in a commit by its path. Raises `NotFound`."""
        listed = self._repository.git("ls-tree", "-r", "-z", "--full-tree", self._resolve(revision))
        rows = (os.fsdecode(row).split("\t", 1) for row in listed.split(b"\0") if row)
        return {path: facts.split()[2] for facts, path in rows}

    def create_workspace(self, folder: Path, sha: CommitSha, base: CommitSha = NO_COMMIT) -> Workspace:
        """A private layer at `sha` with everything that an agent can write, all below `folder`, above the clean tree of
        the commit `base`. The tree is made when it is missing; without a known `base` it is the tree of `sha`.

        Idempotent: an existing workspace of this commit is reused, an incomplete one replaced. Raises `Conflict` when
        the folder holds another commit, `NotFound` for an unknown commit. One caller per folder at a time."""
        _check_shas(sha, *([base] if base else []))
        return layers.create(self._repository, self._bases, folder.absolute(), sha, base, self._submodules, self._lfs)

    def remove_workspace(self, folder: Path) -> None:
        """Remove the folder; idempotent. The deletion continues in the background. Reads and runs nothing in it."""
        layers.remove(self._bases, folder.absolute())

    def receive(
        self,
        pack: bytes | Path,
        tip: CommitSha,
        base: CommitSha,
        limits: TreeLimits,
        upstream: CommitSha = NO_COMMIT,
    ) -> None:
        """Import an agent's commits after strict indexing and checks of completeness, ancestry and tree policy. The
        policy is for the agent's own change: files that it merged from `upstream`, the base branch, are left out.

        `pack` can be empty when the mirror already has `tip`. Raises `Rejected` and then changes nothing."""
        _check_shas(tip)
        if tip == base:
            return
        with open_quarantine(self._folder / "objects", self._folder.parent, tip) as repository:
            index_pack(repository, pack, limits.max_pack_bytes)
            check_commit(repository, tip, base, limits, upstream)
            move_objects(repository, self._folder / "objects")
        self._keep_ref("received", tip)

    def _keep_ref(self, kind: str, sha: CommitSha) -> None:
        remove_leftovers(self._folder)
        self._repository.git("update-ref", f"refs/loopline/{kind}/{sha}", sha)

    def write_candidate(
        self,
        tree_of: CommitSha,
        parent: CommitSha,
        message: str,
        author: str,
        email: str,
        when: int,
        merged: CommitSha = NO_COMMIT,
    ) -> CommitSha:
        """Squash: one commit on `parent` with the tree of `tree_of`, without the agent's own commits. `merged` is the
        commit of the base branch that the tree has too, and becomes the second parent.

        `when` is in Unix seconds. Idempotent: equal arguments give an equal sha, also when it is signed. Returns
        `parent` when the trees are equal and nothing was merged. Raises `Misconfigured` when the key cannot sign."""
        tree, old_tree = self.tree_of(tree_of), self.tree_of(parent)
        if tree == old_tree and not merged:
            return parent
        return self._commit(tree, (parent, *filter(None, (merged,))), message, build_identity(author, email, when))

    def merge(self, ours: CommitSha, theirs: CommitSha, message: str, author: str, email: str, when: int) -> Merge:
        """A merge commit of `ours` and `theirs`, in this order, also when they conflict. `when` is in Unix seconds.

        Idempotent as `write_candidate`. Raises `NotFound` for an unknown commit, `Rejected` without a common
        ancestor."""
        for sha in _check_shas(ours, theirs):
            self._resolve(CommitSha(sha))
        tree, conflicts = merge_trees(self._repository, ours, theirs)
        causes = list_causes(self._repository, ours, theirs, conflicts) if conflicts else ()
        sha = self._commit(tree, (ours, theirs), message, build_identity(author, email, when))
        return Merge(sha, conflicts, causes)

    def _commit(
        self, tree: str, parents: Sequence[CommitSha], message: str, environment: Mapping[str, str]
    ) -> CommitSha:
        arguments = ("commit-tree", tree, *(part for parent in parents for part in ("-p", parent)), "-F", "-")
        if self._signing_key:
            made = run_signed(self._repository, arguments, message.encode(), environment, self._signing_key)
        else:
            made = self._repository.git(*arguments, stdin=message.encode(), environment=environment)
        sha = CommitSha(made.decode().strip())
        self._keep_ref("candidate", sha)
        return sha

    def changes(
        self, base: CommitSha, sha: CommitSha, max_read: int = MAX_READ, max_total: int = MAX_TOTAL
    ) -> list[Change]:
        """The paths that differ between two commits, with the text of both sides; a rename is two changes. Files above
        `max_read` bytes, and above `max_total` together, have no text."""
        _check_shas(base, sha)
        return read_changes(self._repository, base, sha, max_read, max_total)

    def find_outgoing(self, sha: CommitSha, known: Sequence[CommitSha], matches: Callable[[bytes], bool]) -> str | None:
        """The place of the first object that a push of `sha` would send and that `matches`, such as 'the file a.txt'.

        `known` are commits on the code host; ones that are empty or not in the mirror are skipped."""
        wanted = [one for one in known if one]
        _check_shas(sha, *wanted)
        return find_outgoing(self._repository, sha, wanted, matches)

    def list_submodules(self, sha: CommitSha) -> dict[str, str]:
        """The commit of each submodule by its path."""
        _check_shas(sha)
        return list_gitlinks(self._repository, sha)

    def find_unfetched(self, sha: CommitSha) -> tuple[list[str], list[str]]:
        """The paths of a commit that a workspace has without content: submodules, and files of Git LFS."""
        _check_shas(sha)
        return find_unfetched(self._repository, sha, submodules=self._submodules, lfs=self._lfs)

    def merge_base(self, one: CommitSha, other: CommitSha) -> CommitSha:
        """The best common ancestor of two commits. Raises `NotFound` without one."""
        found = self._repository.query("merge-base", *_check_shas(one, other))
        if found is None:
            raise NotFound(f"{one} and {other} have no common ancestor in {self._remote.name}")
        return CommitSha(found.decode().strip())

    def write_mixed_commit(self, onto: CommitSha, sides: Mapping[str, Side | None], parent: str = "") -> CommitSha:
        """A child commit of `parent`, by default `onto`, with the tree of `onto` and these paths replaced (None:
        removed; a side without a sha: by its text); `onto` itself when there is neither. Unreferenced:
        for a checkout, never for a push. Idempotent: equal arguments give an equal sha."""
        _check_shas(onto)
        return CommitSha(write_mixed_commit(self._repository, onto, sides, parent)) if sides or parent else onto

    def apply_edits(self, onto: CommitSha, edits: Sequence[LineEdit]) -> tuple[CommitSha, tuple[LineEdit, ...]]:
        """A child commit of `onto` with those edits that apply, and these: the lines exist in a UTF-8 text file, and no
        earlier edit has changed them. `onto` itself when there are none. As `write_mixed_commit` otherwise."""
        _check_shas(onto)
        sides, applied = write_edits(self._repository, onto, edits)
        return self.write_mixed_commit(onto, sides), applied

    def replace_text(self, onto: CommitSha, path: str, text: str) -> CommitSha:
        """A child commit of `onto` in which this regular file has the text, as `write_mixed_commit`."""
        return self.write_mixed_commit(onto, {path: write_blob(self._repository, text)})

    def read_author(self, sha: CommitSha) -> str:
        """The name of the commit's author."""
        return read_author(self._repository, *_check_shas(sha))

    def list_commits(self, sha: CommitSha, since: float, most: int, path: str = "") -> list[ListedCommit]:
        """The newest `most` commits of `sha` after `since` (Unix seconds; 0 for all) that change `path`."""
        return read_history(self._repository, _check_shas(sha)[0], since, most, path)

    def list_committers(self, base: CommitSha, sha: CommitSha) -> set[str]:
        """The e-mail addresses of the committers of the commits of `sha` that `base` lacks."""
        _check_shas(base, sha)
        return set(self._repository.git("log", "--format=%ce", f"{base}..{sha}").decode(errors="replace").split())

    def tree_of(self, sha: CommitSha) -> str:
        """The id of the commit's tree: equal for commits with equal files."""
        _check_shas(sha)
        return self._repository.git("rev-parse", f"{sha}^{{tree}}").decode().strip()

    def diff(self, base: CommitSha, sha: CommitSha, max_bytes: int, unread: Collection[str] = ()) -> str:
        """The patch between two commits, truncated after `max_bytes` with a final line that gives the bytes cut. Large
        files and those in `unread` are listed without their lines."""
        _check_shas(base, sha)
        return read_patch(self._repository, base, sha, max_bytes, unread)

    def count_lines(self, base: CommitSha, sha: CommitSha) -> dict[str, int]:
        """The number of added and removed lines by path; 0 for a binary file."""
        raw = self._repository.git("diff-tree", "-r", "-z", "--numstat", "--no-renames", *_check_shas(base, sha))
        rows = (row.split("\t", 2) for row in raw.decode(errors="replace").split("\0") if row)
        return {path: sum(int(n) for n in (added, removed) if n.isdecimal()) for added, removed, path in rows}

    def is_ancestor(self, older: CommitSha, newer: CommitSha) -> bool:
        """Whether `newer` contains `older`. Raises `Rejected` when one of them is unknown."""
        return self._repository.succeeds("merge-base", "--is-ancestor", *_check_shas(older, newer))

    def check_push_access(self, sha: CommitSha) -> None:
        """Raise `Forbidden` when the code host would refuse a push by these credentials; changes nothing there."""
        _check_shas(sha)
        pushing.check_access(self._repository, sha)

    def push(self, branch: str, sha: CommitSha, expected: CommitSha | None, protected: Sequence[str] = ()) -> None:
        """Move `branch` on the code host from `expected` (None: must not exist) forward to `sha`. Never forces.

        Idempotent. Raises `Conflict` when the branch is at another commit or the push would need force, `Rejected` for
        the default branch, for `protected` ones and when the code host refuses."""
        _check_shas(sha)
        pushing.push(self._repository, branch, sha, expected, protected)


def _create_if_missing(repository: HostRepository) -> None:
    """Create the empty mirror. `packed-refs` comes last."""
    folder = repository.folder
    if (folder / "packed-refs").exists():
        return
    repository.initialise()
    (folder / "config").write_text(_CONFIG)
    (folder / "packed-refs").touch()


def _check_shas(*shas: str) -> tuple[str, ...]:
    for sha in shas:
        if not SHA.fullmatch(sha):
            raise Rejected(f"{sha[:80]!r} is not a commit: use 40 hex digits")
    return shas
