"""Updates of a pull request's branch: a merge of the base branch into it, as by the button 'Update branch'."""

from __future__ import annotations

from integrations.standins.github.bare import GitFailed, Signature
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem
from integrations.standins.github.pushes import Update
from integrations.standins.github.routes.pulls import PULL
from integrations.standins.github.shapes.people import account_id


class BranchUpdate(Input):
    """`expected_head_sha` is the head before the update."""

    expected_head_sha: str | None = None


@operation("PUT", PULL + "/update-branch", needs="pull_requests:write", role="write")
def update_branch(call: Call) -> Reply:
    """Merge the base branch. GitHub does it after its answer; here the branch has moved by then."""
    repository, pull, wanted = call.repository, call.pull, call.read(BranchUpdate)
    git, base = repository.git, repository.git.head(pull.base)
    if pull.state != "open" or base is None or git.head(pull.branch) is None:
        raise Problem(422, "The pull request cannot be updated.")
    if wanted.expected_head_sha not in (None, pull.head_sha):
        raise Problem(422, "expected head sha didn’t match current head ref.")
    if git.is_ancestor(base, pull.head_sha):
        raise Problem(422, "There are no new commits on the base branch.")
    tree = git.merged_tree(pull.head_sha, base)
    if tree is None:
        raise Problem(422, "merge conflict between base and head")
    login = call.actor.login
    by = Signature(login, f"{account_id(login)}+{login}@users.noreply.github.com")
    text = f"Merge branch '{pull.base}' into {pull.branch}\n"
    before, ref = pull.head_sha, f"refs/heads/{pull.branch}"
    sha = git.write_commit(tree, [before, base], text, by, Signature("GitHub", "noreply@github.com"))
    try:
        git.set_ref(ref, sha, before)
    except GitFailed:
        raise Problem(422, "expected head sha didn’t match current head ref.") from None
    call.aftermath.of([Update(ref, before, sha)])
    page = f"{call.view.base}/{repository.name}/pull/{pull.number}"
    return Reply({"message": "Updating pull request branch.", "url": page}, 202)
