"""Merges a pull request into its base branch: the rules first, then the commit of the chosen method."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.standins.github.bare import Commit, GitFailed, Signature
from integrations.standins.github.changes import changes
from integrations.standins.github.hub import Hub, Repository
from integrations.standins.github.problems import Problem
from integrations.standins.github.protection import METHODS, check_rules
from integrations.standins.github.pushes import Aftermath, Update
from integrations.standins.github.records import Pull
from integrations.standins.github.shapes.people import account_id

GITHUB = Signature("GitHub", "noreply@github.com")
HEAD_MOVED = "Head branch was modified. Review and try the merge again."


@dataclass(frozen=True)
class MergeText:
    """`title` and `message` replace GitHub's own; None keeps those. `sha` is the expected head."""

    method: str = "merge"
    title: str | None = None
    message: str | None = None
    sha: str | None = None


def merge_pull(aftermath: Aftermath, pull: Pull, wanted: MergeText) -> str:
    """Merge, and return the sha of the merge. Raises the `Problem` with which GitHub refuses."""
    hub, repository = aftermath.view.hub, aftermath.repository
    if wanted.method not in METHODS:
        raise Problem(422, f"Invalid request.\n\n{wanted.method} is not a member of [merge, squash, rebase].")
    check_head(pull, wanted.sha)
    check_rules(hub, repository, pull, wanted.method)
    base = repository.git.head(pull.base) or ""
    sha = write_merge(hub, repository, pull, wanted, base, aftermath.sender)
    if sha is None:
        raise Problem(405, "Pull Request is not mergeable")
    finish_merge(aftermath, pull, base, sha)
    return sha


def check_head(pull: Pull, expected: str | None) -> None:
    """Raise a 409 `Problem` when the head of an open pull request is another one."""
    if pull.state == "open" and expected is not None and expected != pull.head_sha:
        raise Problem(409, HEAD_MOVED)


def finish_merge(aftermath: Aftermath, pull: Pull, base: str, sha: str) -> None:
    """Move the base branch from `base` to the merge, close the pull request. Raises a 409 `Problem`."""
    ref = f"refs/heads/{pull.base}"
    try:
        aftermath.repository.git.set_ref(ref, sha, base)
    except GitFailed:
        raise Problem(409, "Base branch was modified. Review and try the merge again.") from None
    pull.base_sha, pull.auto_merge = base, None
    aftermath.close(pull, aftermath.sender, sha)
    aftermath.of([Update(ref, base, sha)])


def write_merge(hub: Hub, repository: Repository, pull: Pull, wanted: MergeText, base: str, login: str) -> str | None:
    """Write the commits of the method on top of `base`, and return the last one; None when git finds a conflict."""
    git, commits = repository.git, changes(repository, pull).commits
    if wanted.method == "rebase":
        return _rebase(repository, pull, commits, base)
    tree = git.merged_tree(base, pull.head_sha)
    if tree is None:
        return None
    squash = wanted.method == "squash"
    if squash:
        title, message = f"{pull.title} (#{pull.number})", _squashed(commits)
    else:
        title, message = f"Merge pull request #{pull.number} from {repository.owner}/{pull.branch}", pull.title
    title = wanted.title or title
    message = message if wanted.message is None else wanted.message
    parents = [base] if squash else [base, pull.head_sha]
    author = commits[0].author if squash and commits else _signature(hub, login)
    text = f"{title}\n\n{message}".strip() + "\n"
    return git.write_commit(tree, parents, text, Signature(author.name, author.email), GITHUB)


def _rebase(repository: Repository, pull: Pull, commits: tuple[Commit, ...], base: str) -> str | None:
    """The commits again with GitHub as committer. Only for a head that contains the base, so that nothing conflicts."""
    if not repository.git.is_ancestor(base, pull.head_sha):
        return None
    parent = base
    for one in commits:
        parent = repository.git.write_commit(one.tree, [parent], one.message + "\n", one.author, GITHUB)
    return parent


def _squashed(commits: tuple[Commit, ...]) -> str:
    """The message of a single commit without its title, or a list of the messages."""
    if len(commits) == 1:
        return commits[0].message.partition("\n")[2].strip()
    return "\n\n".join(f"* {one.message}" for one in commits)


def _signature(hub: Hub, login: str) -> Signature:
    user = hub.user(login)
    email = f"{account_id(login)}+{login}@users.noreply.github.com"
    return Signature((user and user.name) or login, (user and user.email) or email)
