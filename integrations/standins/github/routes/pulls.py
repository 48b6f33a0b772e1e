"""Pull requests: list, open, read, change; merge with a real merge commit or one squashed commit."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.hub import Repository, now
from integrations.standins.github.merges import MergeText, merge_pull
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, invalid, refused
from integrations.standins.github.records import Pull
from integrations.standins.github.seed import ROLES
from integrations.standins.github.shapes.pulls import pull_request, pull_request_simple

PULLS = "/repos/{owner}/{repo}/pulls"
PULL = PULLS + "/{pull_number}"


class NewPull(Input):
    """`head` is 'branch' or 'owner:branch'."""

    title: str
    head: str
    base: str
    body: str | None = None
    draft: bool = False


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
    if query.get("sort") == "updated":
        pulls.sort(key=lambda one: (one.updated_at, one.number))
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
    if wanted.draft and not repository.seeded.allow_drafts:
        raise Problem(422, "Draft pull requests are not supported in this repository.")
    if not wanted.title.strip():
        raise invalid("PullRequest", "title", code="missing_field")
    number = store.next_number(repository.name)
    columns = repository.name, number, call.actor.login, wanted.title, wanted.body, branch, base
    pull = Pull(
        store.new_id(), *columns, head_sha, base_sha, now(), now(), pushed_by=call.actor.login, draft=wanted.draft
    )
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
    commit_message: str | None = None


@operation("PUT", PULL + "/merge", needs="contents:write", role="write")
def merge(call: Call) -> Reply:
    """Merge, unless the head moved, a rule forbids it, or git finds a conflict."""
    wanted = call.read(Merge)
    text = MergeText(wanted.merge_method, wanted.commit_title, wanted.commit_message, wanted.sha)
    sha = merge_pull(call.aftermath, call.pull, text)
    return Reply({"sha": sha, "merged": True, "message": "Pull Request successfully merged"})
