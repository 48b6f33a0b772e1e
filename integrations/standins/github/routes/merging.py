"""Merging a pull request: a real merge commit, or one squashed commit, in the bare repository."""

from __future__ import annotations

from integrations.standins.github.bare import Commit, GitFailed, Signature
from integrations.standins.github.changes import changes
from integrations.standins.github.hub import Repository
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, not_found
from integrations.standins.github.pushes import Aftermath, Update
from integrations.standins.github.records import Pull
from integrations.standins.github.routes.pulls import PULL

GITHUB = Signature("GitHub", "noreply@github.com")


class Merge(Input):
    """`sha` is what the head must still be."""

    sha: str | None = None
    merge_method: str = "merge"
    commit_title: str | None = None
    commit_message: str | None = None


@operation("GET", PULL + "/merge", needs="contents:read")
def is_merged(call: Call) -> Reply:
    """204 when merged, 404 when not."""
    if call.pull.merged_at is None:
        raise not_found()
    return Reply(status=204)


@operation("PUT", PULL + "/merge", needs="contents:write", role="write")
def merge(call: Call) -> Reply:
    """Merge now, if nobody moved the head and git can."""
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
    after = Aftermath(call.view, repository, call.actor.login, (call.operation.name,))
    after.close(pull, call.actor.login, sha)
    after.of([Update(f"refs/heads/{pull.base}", base, sha)])
    return Reply({"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


def _check(pull: Pull, wanted: Merge) -> None:
    if wanted.merge_method == "rebase":
        raise Problem(405, "Rebase merges are not allowed on this repository.")
    if wanted.merge_method not in ("merge", "squash"):
        raise Problem(422, f"Invalid request.\n\n{wanted.merge_method} is not a member of [merge, squash, rebase].")
    if pull.state != "open":
        raise Problem(405, "Pull Request is not mergeable")
    if pull.draft:
        raise Problem(405, "Pull Request is still a draft")
    if wanted.sha is not None and wanted.sha != pull.head_sha:
        raise Problem(409, "Head branch was modified. Review and try the merge again.")


def _write(call: Call, repository: Repository, pull: Pull, wanted: Merge, base: str, tree: str) -> str:
    commits = changes(repository, pull).commits
    squash = wanted.merge_method == "squash"
    title, message = _squash_words(pull, commits) if squash else _merge_words(repository, pull)
    title = wanted.commit_title or title
    message = message if wanted.commit_message is None else wanted.commit_message
    parents = [base] if squash else [base, pull.head_sha]
    author = commits[0].author if squash and commits else _signature(call, call.actor.login)
    words = f"{title}\n\n{message}".strip() + "\n"
    return repository.git.write_commit(tree, parents, words, Signature(author.name, author.email), GITHUB)


def _merge_words(repository: Repository, pull: Pull) -> tuple[str, str]:
    return f"Merge pull request #{pull.number} from {repository.owner}/{pull.branch}", pull.title


def _squash_words(pull: Pull, commits: tuple[Commit, ...]) -> tuple[str, str]:
    """One commit keeps its message's body; several are listed."""
    if len(commits) == 1:
        return f"{pull.title} (#{pull.number})", commits[0].message.partition("\n")[2].strip()
    return f"{pull.title} (#{pull.number})", "\n\n".join(f"* {one.message}" for one in commits)


def _signature(call: Call, login: str) -> Signature:
    user = call.hub.user(login)
    email = f"{call.hub.account_id(login)}+{login}@users.noreply.github.com"
    return Signature((user and user.name) or login, (user and user.email) or email)
