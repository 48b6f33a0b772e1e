"""Git on one bare repository., independent of the configuration of the host's git."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GIT = shutil.which("git") or "/usr/bin/git"
ENVIRONMENT: Mapping[str, str] = {
    "PATH": f"{Path(GIT).parent}:{os.defpath}",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "TZ": "UTC",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
CONFIG = Path(__file__).with_name("bare.gitconfig").read_text()
# Where post-receive writes the refs that were really updated, one "old new ref" per line.
REPORT = "STANDIN_PUSH_REPORT"
POST_RECEIVE = f"""#!/bin/sh
[ -n "${REPORT}" ] && cat > "${REPORT}"
"""
DATES = "--date=format-local:%Y-%m-%dT%H:%M:%SZ"
# The fields of a commit, separated by NUL, which none of them can contain.
COMMIT_FORMAT = "%H%x00%T%x00%P%x00%an%x00%ae%x00%ad%x00%cn%x00%ce%x00%cd%x00%B%x00"


class GitFailed(Exception):
    """Git ended with an error; the message is its standard error."""


@dataclass(frozen=True)
class Signature:
    """A person and a time as ISO 8601; `when` empty means now."""

    name: str
    email: str
    when: str = ""


@dataclass(frozen=True)
class Commit:
    """A commit as git prints it."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str

    @classmethod
    def read(cls, fields: Sequence[str]) -> Commit:
        sha, tree, parents, an, ae, at, cn, ce, ct, message = fields
        signatures = Signature(an, ae, at), Signature(cn, ce, ct)
        return cls(sha.strip(), tree, tuple(parents.split()), *signatures, message.rstrip("\n"))


class BareRepository:
    """One bare repository. Names of branches and refs are never interpreted as options."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, input: bytes = b"") -> str:
        """The output of git. Raises `GitFailed`."""
        command = [GIT, f"--git-dir={self.path}", *arguments]
        done = subprocess.run(command, env={**ENVIRONMENT, **(env or {})}, input=input, capture_output=True)
        if done.returncode:
            raise GitFailed(done.stderr.decode(errors="replace").strip() or f"git {arguments[0]} failed")
        return done.stdout.decode(errors="replace")

    def succeeds(self, *arguments: str) -> bool:
        """Whether git exits with 0."""
        try:
            self.run(*arguments)
        except GitFailed:
            return False
        return True

    def create(self, default_branch: str) -> None:
        """Create the repository if it does not exist, and write its configuration and its hook."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.run("init", "--quiet", "--bare", f"--initial-branch={default_branch}", "--template=")
        (self.path / "config").write_text(CONFIG)
        hook = self.path / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(POST_RECEIVE)
        hook.chmod(0o755)

    # --- refs ---

    @property
    def default_branch(self) -> str:
        """The branch that HEAD names; `git branch -m` changes it too."""
        return (self.path / "HEAD").read_text().removeprefix("ref: refs/heads/").strip()

    def head(self, branch: str) -> str | None:
        """The sha of a branch, None when there is no such branch."""
        return self.sha_of(f"refs/heads/{branch}")

    def sha_of(self, name: str) -> str | None:
        """The commit that a ref or sha names, None when there is none."""
        try:
            return self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
        except GitFailed:
            return None

    def branches(self) -> dict[str, str]:
        """The sha of each branch."""
        listed = self.run("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads").splitlines()
        return {name: sha for name, _, sha in (line.rpartition(" ") for line in listed)}

    def set_ref(self, ref: str, new: str, old: str = "") -> None:
        """Move a ref; `old` is the expected current sha, '' for any. Raises `GitFailed` when it differs."""
        self.run("update-ref", ref, new, *([old] if old else []))

    def delete_ref(self, ref: str) -> None:
        self.run("update-ref", "-d", ref)

    # --- commits ---

    def commit(self, sha: str) -> Commit:
        """The commit. Raises `GitFailed` when it does not exist."""
        shown = self.run("log", "-1", DATES, f"--format={COMMIT_FORMAT}", "--end-of-options", sha)
        return Commit.read(shown.split("\0")[:10])

    def commits(self, base: str, head: str) -> list[Commit]:
        """The commits of `head` that are not in `base`, oldest first."""
        shown = self.run("log", "--reverse", "--topo-order", DATES, f"--format={COMMIT_FORMAT}", f"{base}..{head}")
        fields = shown.split("\0")
        return [Commit.read(fields[at : at + 10]) for at in range(0, len(fields) - 10, 10)]

    def history(self, branch: str) -> list[Commit]:
        """The commits of a branch, newest first."""
        fields = self.run("log", DATES, f"--format={COMMIT_FORMAT}", f"refs/heads/{branch}").split("\0")
        return [Commit.read(fields[at : at + 10]) for at in range(0, len(fields) - 10, 10)]

    def merge_base(self, one: str, other: str) -> str | None:
        """The common ancestor, None when there is none."""
        try:
            return self.run("merge-base", one, other).strip()
        except GitFailed:
            return None

    def is_ancestor(self, older: str, newer: str) -> bool:
        return self.succeeds("merge-base", "--is-ancestor", older, newer)

    def merged_tree(self, base: str, head: str) -> str | None:
        """The tree of merging `head` into `base`, None when that fails."""
        try:
            return self.run("merge-tree", "--write-tree", "--no-messages", base, head).split()[0]
        except GitFailed:
            return None

    def write_commit(
        self, tree: str, parents: Sequence[str], message: str, author: Signature, committer: Signature
    ) -> str:
        """Write a commit object and return its sha."""
        env = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_COMMITTER_NAME": committer.name,
            "GIT_COMMITTER_EMAIL": committer.email,
            **({"GIT_AUTHOR_DATE": author.when} if author.when else {}),
            **({"GIT_COMMITTER_DATE": committer.when} if committer.when else {}),
        }
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.run("commit-tree", tree, *flags, env=env, input=message.encode()).strip()

    def blob_of(self, commit: str, path: str) -> str | None:
        """The blob of a file in a commit."""
        try:
            found = self.run("rev-parse", "--verify", "--quiet", f"{commit}:{path}").strip()
            return found if self.run("cat-file", "-t", found).strip() == "blob" else None
        except GitFailed:
            return None

    def read_blob(self, sha: str) -> bytes:
        """The content of a blob."""
        command = [GIT, f"--git-dir={self.path}", "cat-file", "blob", sha]
        return subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True).stdout

    def commit_file(self, parent: str, path: str, content: bytes, message: str, author: Signature) -> str:
        """Write a commit that sets one file of its parent, and return its sha."""
        index = self.path / "content-index"
        env = {"GIT_INDEX_FILE": str(index)}
        blob = self.run("hash-object", "-w", "--stdin", input=content).strip()
        self.run("read-tree", parent, env=env)
        self.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
        tree = self.run("write-tree", env=env).strip()
        index.unlink()
        return self.write_commit(tree, [parent], message, author, author)

    def tree_of_folder(self, folder: Path) -> str:
        """Write the files of `folder` as a tree, without touching the folder, and return its sha."""
        index = self.path / "seed-index"
        env = {"GIT_INDEX_FILE": str(index)}
        self.run(f"--work-tree={folder}", "-c", "core.bare=false", "add", "--all", "--", ".", env=env)
        tree = self.run("write-tree", env=env).strip()
        index.unlink()
        return tree

    # --- differences ---

    def diff(self, base: str, head: str) -> str:
        """The unified diff from `base` to `head`, renames detected."""
        return self.run("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", base, head)

    def raw_diff(self, base: str, head: str) -> str:
        """One NUL-separated record per changed file: modes, blobs, status, path."""
        return self.run("diff", "--raw", "-z", "--no-abbrev", "--find-renames", base, head)
