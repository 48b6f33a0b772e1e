"""Pull requests: list, open, read, change; their files and commits."""

from __future__ import annotations

from integrations.standins.github.changes import changes
from integrations.standins.github.hub import Repository, now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, invalid, refused
from integrations.standins.github.pushes import Aftermath
from integrations.standins.github.records import Pull
from integrations.standins.github.seed import ROLES
from integrations.standins.github.shapes.pulls import diff_entry, pull_request, pull_request_simple
from integrations.standins.github.shapes.repositories import commit

PULLS = "/repos/{owner}/{repo}/pulls"
PULL = PULLS + "/{pull_number}"


class NewPull(Input):
    """`head` is 'branch' or 'owner:branch'."""

    title: str
    head: str
    base: str
    body: str | None = None
    draft: bool = False
    maintainer_can_modify: bool = False
    head_repo: str | None = None


class PullPatch(Input):
    """What is None stays."""

    title: str | None = None
    body: str | None = None
    state: str | None = None
    base: str | None = None
    maintainer_can_modify: bool | None = None


@operation("GET", PULLS, needs="pull_requests:read")
def list_pulls(call: Call) -> Reply:
    """Newest first unless `direction` says otherwise; `head` counts only as 'owner:branch', as on GitHub."""
    repository, query = call.repository, call.request.query
    pulls = call.hub.store.all(Pull, repository=repository.name)
    state = query.get("state", "open")
    if state != "all":
        pulls = [one for one in pulls if one.state == state]
    if ":" in (head := query.get("head", "")):
        owner, _, branch = head.partition(":")
        pulls = [one for one in pulls if one.branch == branch and owner.lower() == repository.owner.lower()]
    if base := query.get("base"):
        pulls = [one for one in pulls if one.base == base]
    field = {"updated": "updated_at", "created": "created_at"}.get(query.get("sort", ""), "id")
    ascending = query.get("direction", "desc" if field == "id" else "asc") == "asc"
    pulls.sort(key=lambda one: (getattr(one, field), one.id), reverse=not ascending)
    return Reply([pull_request_simple(call.view, repository, one) for one in pulls])


@operation("POST", PULLS, needs="pull_requests:write", role="write")
def open_pull(call: Call) -> Reply:
    """Open a pull request between two branches of the repository. Its mergeability comes with the next reading."""
    repository, wanted = call.repository, call.read(NewPull)
    branch, base = _head_branch(repository, wanted.head), wanted.base
    head_sha, base_sha = _ends(repository, branch, base)
    store = call.hub.store
    if store.all(Pull, repository=repository.name, branch=branch, base=base, state="open"):
        raise refused("PullRequest", f"A pull request already exists for {repository.owner}:{branch}.")
    if not wanted.title.strip():
        raise invalid("PullRequest", "title", code="missing_field")
    number = 1 + max((one.number for one in store.all(Pull, repository=repository.name)), default=0)
    names = repository.name, number, call.actor.login, wanted.title, wanted.body, branch, base
    pull = Pull(store.new_id(), *names, head_sha, base_sha, now(), now(), draft=wanted.draft)
    repository.git.set_ref(f"refs/pull/{number}/head", head_sha)
    store.put(pull)
    _aftermath(call, repository).emit_pull("opened", pull)
    return Reply(pull_request(call.view, repository, pull, computed=False), 201)


@operation("GET", PULL, needs="pull_requests:read")
def get_pull(call: Call) -> Reply:
    """The pull request, its diff or its patch, as the Accept header asks."""
    repository, pull = call.repository, call.pull
    if "diff" in call.request.accept:
        return Reply(text=changes(repository, pull).unified, media="application/vnd.github.diff; charset=utf-8")
    if "patch" in call.request.accept:
        mails = repository.git.patch(changes(repository, pull).start, pull.head_sha)
        return Reply(text=mails, media="application/vnd.github.patch; charset=utf-8")
    return Reply(pull_request(call.view, repository, pull))


@operation("PATCH", PULL, needs="pull_requests:write")
def change_pull(call: Call) -> Reply:
    """Change title, body or base; close or reopen."""
    repository, pull, wanted = call.repository, call.pull, call.read(PullPatch)
    may_write = ROLES.index(call.actor.role(repository.name, repository.private)) >= ROLES.index("write")
    if call.actor.login != pull.author and not may_write:
        raise Problem(403, "Must have push access to Repository.")
    if wanted.state not in (None, "open", "closed"):
        raise invalid("PullRequest", "state")
    reopens = wanted.state == "open" and pull.state == "closed"
    if reopens:
        _check_reopening(repository, pull)
    _edit(call, repository, pull, wanted)
    if reopens:
        _reopen(call, repository, pull)
    elif wanted.state == "closed" and pull.state == "open":
        _aftermath(call, repository).close(pull)
    return Reply(pull_request(call.view, repository, pull))


@operation("GET", PULL + "/files", needs="pull_requests:read")
def list_files(call: Call) -> Reply:
    """Every changed file with its patch."""
    repository, pull = call.repository, call.pull
    return Reply([diff_entry(call.view, repository, pull.head_sha, file) for file in changes(repository, pull).files])


@operation("GET", PULL + "/commits", needs="pull_requests:read")
def list_commits(call: Call) -> Reply:
    """The commits, oldest first."""
    repository, pull = call.repository, call.pull
    return Reply([commit(call.view, repository, one) for one in changes(repository, pull).commits])


def _aftermath(call: Call, repository: Repository) -> Aftermath:
    return Aftermath(call.view, repository, call.actor.login, (call.operation.name,))


def _head_branch(repository: Repository, head: str) -> str:
    owner, colon, branch = head.rpartition(":")
    if colon and owner.lower() != repository.owner.lower():
        raise invalid("PullRequest", "head")
    return branch


def _ends(repository: Repository, branch: str, base: str) -> tuple[str, str]:
    """The shas of both branches. Raises a 422 `Problem` where there is nothing to pull."""
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


def _edit(call: Call, repository: Repository, pull: Pull, wanted: PullPatch) -> None:
    """Title, body, base; what they were before goes into the webhook."""
    before: dict[str, object] = {}
    if wanted.base is not None and wanted.base != pull.base:
        _, base_sha = _ends(repository, pull.branch, wanted.base)
        before["base"] = {"ref": {"from": pull.base}, "sha": {"from": pull.base_sha}}
        pull.base, pull.base_sha = wanted.base, base_sha
    if wanted.title is not None and wanted.title != pull.title:
        before["title"], pull.title = {"from": pull.title}, wanted.title
    if wanted.body is not None and wanted.body != pull.body:
        before["body"], pull.body = {"from": pull.body or ""}, wanted.body
    if before:
        pull.updated_at = now()
        call.hub.store.put(pull)
        _aftermath(call, repository).emit_pull("edited", pull, changes=before)


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
    _aftermath(call, repository).emit_pull("reopened", pull)
