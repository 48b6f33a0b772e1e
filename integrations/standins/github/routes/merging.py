"""Merging a pull request: a real merge commit, or one squashed commit, in the bare repository."""

from __future__ import annotations

from integrations.standins.github.bare import Commit, GitFailed, Signature
from integrations.standins.github.changes import changes
from integrations.standins.github.hub import Repository
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem
from integrations.standins.github.pushes import Update
from integrations.standins.github.records import Pull
from integrations.standins.github.routes.pulls import PULL
from integrations.standins.github.shapes.people import account_id

GITHUB = Signature("GitHub", "noreply@github.com")


class Merge(Input):
    """`sha` is the expected head."""

    sha: str | None = None
    merge_method: str = "merge"
    commit_title: str | None = None


@operation("PUT", PULL + "/merge", needs="contents:write", role="write")
def merge(call: Call) -> Reply:
    """Merge, unless the head moved or git finds a conflict."""
    repository, pull, wanted = call.repository, call.pull, call.read(Merge)
    _check(pull, wanted)
    base = repository.git.head(pull.base)
    tree = repository.git.merged_tree(base, pull.head_sha) if base else None
    if base is None or tree is None:
        raise Problem(405, "Pull Request is not mergeable")
    sha = _write(call, repository, pull, wanted, base, tree)
    try:
        repository.git.set_ref(f"refs/heads/{pull.base}", sha, base)
    except GitFailed:
        raise Problem(409, "Base branch was modified. Review and try the merge again.") from None
    pull.base_sha = base
    call.aftermath.close(pull, call.actor.login, sha)
    call.aftermath.of([Update(f"refs/heads/{pull.base}", base, sha)])
    return Reply({"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


def _check(pull: Pull, wanted: Merge) -> None:
    if wanted.merge_method == "rebase":
        raise Problem(405, "Rebase merges are not allowed on this repository.")
    if wanted.merge_method not in ("merge", "squash"):
        raise Problem(422, f"Invalid request.\n\n{wanted.merge_method} is not a member of [merge, squash, rebase].")
    if pull.state != "open":
        raise Problem(405, "Pull Request is not mergeable")
    if wanted.sha is not None and wanted.sha != pull.head_sha:
        raise Problem(409, "Head branch was modified. Review and try the merge again.")


def _write(call: Call, repository: Repository, pull: Pull, wanted: Merge, base: str, tree: str) -> str:
    commits = changes(repository, pull).commits
    squash = wanted.merge_method == "squash"
    if squash:
        title, message = f"{pull.title} (#{pull.number})", _squashed(commits)
    else:
        title, message = f"Merge pull request #{pull.number} from {repository.owner}/{pull.branch}", pull.title
    parents = [base] if squash else [base, pull.head_sha]
    author = commits[0].author if squash and commits else _signature(call, call.actor.login)
    text = f"{wanted.commit_title or title}\n\n{message}".strip() + "\n"
    return repository.git.write_commit(tree, parents, text, Signature(author.name, author.email), GITHUB)


def _squashed(commits: tuple[Commit, ...]) -> str:
    """The message of a single commit without its title, or a list of the messages."""
    if len(commits) == 1:
        return commits[0].message.partition("\n")[2].strip()
    return "\n\n".join(f"* {one.message}" for one in commits)


def _signature(call: Call, login: str) -> Signature:
    user = call.hub.user(login)
    email = f"{account_id(login)}+{login}@users.noreply.github.com"
    return Signature((user and user.name) or login, (user and user.email) or email)
