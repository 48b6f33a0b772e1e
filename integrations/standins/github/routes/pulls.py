"""Pull requests: list, open, read, change; merge with a real merge commit or one squashed commit."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.bare import Commit, GitFailed, Signature
from integrations.standins.github.changes import changes
from integrations.standins.github.hub import Repository, now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, invalid, refused
from integrations.standins.github.pushes import Update
from integrations.standins.github.records import Pull
from integrations.standins.github.seed import ROLES
from integrations.standins.github.shapes.people import account_id
from integrations.standins.github.shapes.pulls import pull_request, pull_request_simple

PULLS = "/repos/{owner}/{repo}/pulls"
PULL = PULLS + "/{pull_number}"
GITHUB = Signature("GitHub", "noreply@github.com")


class NewPull(Input):
    """`head` is 'branch' or 'owner:branch'."""

    title: str
    head: str
    base: str
    body: str | None = None


class PullPatch(Input):
    """None leaves a value unchanged."""

    title: str | None = None
    body: str | None = None
    state: str | None = None
    base: str | None = None


@operation("GET", PULLS, needs="pull_requests:read")
def list_pulls(call: Call) -> Reply:
    """Newest first unless `direction` is 'asc'; `head` filters only as 'owner:branch', as on GitHub."""
    repository, query = call.repository, call.request.query
    pulls = call.hub.store.all(Pull, repository=repository.name)
    state = query.get("state", "open")
    if state != "all":
        pulls = [one for one in pulls if one.state == state]
    if ":" in (head := query.get("head", "")):
        owner, _, branch = head.partition(":")
        pulls = [one for one in pulls if one.branch == branch and owner.lower() == repository.owner.lower()]
    if query.get("direction", "desc") != "asc":
        pulls.reverse()
    return Reply([pull_request_simple(call.view, repository, one) for one in pulls])


@operation("POST", PULLS, needs="pull_requests:write", role="write")
def open_pull(call: Call) -> Reply:
    """Open a pull request between two branches of the repository. Its mergeability is computed at the next read."""
    repository, wanted = call.repository, call.read(NewPull)
    branch, base = _head_branch(repository, wanted.head), wanted.base
    head_sha, base_sha = _ends(repository, branch, base)
    store = call.hub.store
    if store.all(Pull, repository=repository.name, branch=branch, base=base, state="open"):
        raise refused("PullRequest", f"A pull request already exists for {repository.owner}:{branch}.")
    if not wanted.title.strip():
        raise invalid("PullRequest", "title", code="missing_field")
    number = 1 + max((one.number for one in store.all(Pull, repository=repository.name)), default=0)
    columns = repository.name, number, call.actor.login, wanted.title, wanted.body, branch, base
    pull = Pull(store.new_id(), *columns, head_sha, base_sha, now(), now())
    repository.git.set_ref(f"refs/pull/{number}/head", head_sha)
    store.put(pull)
    call.aftermath.emit_pull("opened", pull)
    return Reply(pull_request(call.view, repository, pull, computed=False), 201)


@operation("GET", PULL, needs="pull_requests:read")
def get_pull(call: Call) -> Reply:
    """One pull request."""
    return Reply(pull_request(call.view, call.repository, call.pull))


@operation("PATCH", PULL, needs="pull_requests:write")
def change_pull(call: Call) -> Reply:
    """Change title, body or base branch; close or reopen."""
    repository, pull, wanted = call.repository, call.pull, call.read(PullPatch)
    may_write = ROLES.index(call.actor.role(repository.name, repository.private)) >= ROLES.index("write")
    if call.actor.login != pull.author and not may_write:
        raise Problem(403, "Must have push access to Repository.")
    if wanted.state not in (None, "open", "closed"):
        raise invalid("PullRequest", "state")
    reopens = wanted.state == "open" and pull.state == "closed"
    if reopens:
        _check_reopening(repository, pull)
    _edit(call, pull, wanted)
    if reopens:
        _reopen(call, repository, pull)
    elif wanted.state == "closed" and pull.state == "open":
        call.aftermath.close(pull)
    return Reply(pull_request(call.view, repository, pull))


def _head_branch(repository: Repository, head: str) -> str:
    owner, colon, branch = head.rpartition(":")
    if colon and owner.lower() != repository.owner.lower():
        raise invalid("PullRequest", "head")
    return branch


def _ends(repository: Repository, branch: str, base: str) -> tuple[str, str]:
    """The shas of both branches. Raises a 422 `Problem` when there is nothing to merge."""
    base_sha, head_sha = repository.git.head(base), repository.git.head(branch)
    if base_sha is None:
        raise invalid("PullRequest", "base")
    if head_sha is None:
        raise invalid("PullRequest", "head")
    if repository.git.is_ancestor(head_sha, base_sha):
        raise refused("PullRequest", f"No commits between {base} and {branch}")
    if repository.git.merge_base(base_sha, head_sha) is None:
        raise refused("PullRequest", f"The {branch} branch has no history in common with {base}")
    return head_sha, base_sha


def _edit(call: Call, pull: Pull, wanted: PullPatch) -> None:
    """Set title, body and base branch; the webhook has the old values."""
    before: dict[str, Any] = {}
    for name in ("title", "body"):
        value, old = getattr(wanted, name), getattr(pull, name)
        if value is not None and value != old:
            before[name] = {"from": old or ""}
            setattr(pull, name, value)
    if wanted.base is not None and wanted.base != pull.base:
        if (sha := call.repository.git.head(wanted.base)) is None:
            raise invalid("PullRequest", "base", f"Proposed base branch '{wanted.base}' was not found")
        before["base"] = {"ref": {"from": pull.base}, "sha": {"from": pull.base_sha}}
        pull.base, pull.base_sha = wanted.base, sha
    if before:
        pull.updated_at = now()
        call.hub.store.put(pull)
        call.aftermath.emit_pull("edited", pull, changes=before)


def _check_reopening(repository: Repository, pull: Pull) -> None:
    if pull.merged_at:
        raise invalid("PullRequest", "state", "state cannot be changed. The pull request has been merged.")
    if repository.git.head(pull.branch) is None:
        raise invalid("PullRequest", "state", f"state cannot be changed. The {pull.branch} branch has been deleted.")


def _reopen(call: Call, repository: Repository, pull: Pull) -> None:
    pull.state, pull.closed_at, pull.updated_at = "open", None, now()
    pull.head_sha = repository.git.head(pull.branch) or pull.head_sha
    repository.git.set_ref(f"refs/pull/{pull.number}/head", pull.head_sha)
    call.hub.store.put(pull)
    call.aftermath.emit_pull("reopened", pull)


class Merge(Input):
    """`sha` is the expected head."""

    sha: str | None = None
    merge_method: str = "merge"
    commit_title: str | None = None


@operation("PUT", PULL + "/merge", needs="contents:write", role="write")
def merge(call: Call) -> Reply:
    """Merge, unless the head moved or git finds a conflict."""
    repository, pull, wanted = call.repository, call.pull, call.read(Merge)
    _check_merge(pull, wanted)
    base = repository.git.head(pull.base)
    tree = repository.git.merged_tree(base, pull.head_sha) if base else None
    if base is None or tree is None:
        raise Problem(405, "Pull Request is not mergeable")
    sha = _write_merge(call, repository, pull, wanted, base, tree)
    try:
        repository.git.set_ref(f"refs/heads/{pull.base}", sha, base)
    except GitFailed:
        raise Problem(409, "Base branch was modified. Review and try the merge again.") from None
    pull.base_sha = base
    call.aftermath.close(pull, call.actor.login, sha)
    call.aftermath.of([Update(f"refs/heads/{pull.base}", base, sha)])
    return Reply({"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


def _check_merge(pull: Pull, wanted: Merge) -> None:
    if wanted.merge_method == "rebase":
        raise Problem(405, "Rebase merges are not allowed on this repository.")
    if wanted.merge_method not in ("merge", "squash"):
        raise Problem(422, f"Invalid request.\n\n{wanted.merge_method} is not a member of [merge, squash, rebase].")
    if pull.state != "open":
        raise Problem(405, "Pull Request is not mergeable")
    if wanted.sha is not None and wanted.sha != pull.head_sha:
        raise Problem(409, "Head branch was modified. Review and try the merge again.")


def _write_merge(call: Call, repository: Repository, pull: Pull, wanted: Merge, base: str, tree: str) -> str:
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
