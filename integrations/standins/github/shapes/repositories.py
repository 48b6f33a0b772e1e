"""Shapes of repositories, refs and commits."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.bare import Commit, Signature
from integrations.standins.github.hub import Repository
from integrations.standins.github.records import Pull
from integrations.standins.github.seed import FIRST_COMMIT, Role
from integrations.standins.github.shapes.people import permissions_of, user
from integrations.standins.github.shapes.view import View, links, node_id

# The links of a repository, as 'name:path'.
LINKS = """
    archive:/{archive_format}{/ref} assignees:/assignees{/user} blobs:/git/blobs{/sha} branches:/branches{/branch}
    collaborators:/collaborators{/collaborator} comments:/comments{/number} commits:/commits{/sha}
    compare:/compare/{base}...{head} contents:/contents/{+path} contributors:/contributors deployments:/deployments
    downloads:/downloads events:/events forks:/forks git_commits:/git/commits{/sha} git_refs:/git/refs{/sha}
    git_tags:/git/tags{/sha} hooks:/hooks issue_comment:/issues/comments{/number}
    issue_events:/issues/events{/number} issues:/issues{/number} keys:/keys{/key_id} labels:/labels{/name}
    languages:/languages merges:/merges milestones:/milestones{/number}
    notifications:/notifications{?since,all,participating} pulls:/pulls{/number} releases:/releases{/id}
    stargazers:/stargazers statuses:/statuses/{sha} subscribers:/subscribers subscription:/subscription tags:/tags
    teams:/teams trees:/git/trees{/sha}
"""
ABSENT = ("has_issues", "has_projects", "has_wiki", "has_pages", "has_downloads", "has_discussions")
OFF = (*ABSENT, "fork", "is_template", "web_commit_signoff_required", "allow_forking", "archived", "disabled")
ZERO = ("size", "forks", "forks_count", "watchers", "watchers_count", "stargazers_count")


def repository(view: View, one: Repository) -> dict[str, Any]:
    """`repository`, as in pull requests and webhooks."""
    page, url = f"{view.base}/{one.name}", view.repository_url(one.name)
    open_pulls = len(view.hub.store.all(Pull, repository=one.name, state="open"))
    return {
        "id": one.id,
        "node_id": node_id("R", one.id),
        "name": one.name.split("/")[1],
        "full_name": one.name,
        "private": one.private,
        "owner": user(view, one.owner),
        "html_url": page,
        "description": one.seeded.description or None,
        "url": url,
        **links(url, LINKS),
        **dict.fromkeys(("git_url", "ssh_url", "clone_url"), f"{page}.git"),
        "svn_url": page,
        "default_branch": one.git.default_branch,
        "visibility": "private" if one.private else "public",
        "topics": [],
        **dict.fromkeys(("created_at", "updated_at", "pushed_at"), FIRST_COMMIT),
        **dict.fromkeys(("open_issues", "open_issues_count"), open_pulls),
        **dict.fromkeys(("mirror_url", "homepage", "language", "license")),
        **dict.fromkeys(OFF, False),
        "archived": one.seeded.archived,
        **dict.fromkeys(ZERO, 0),
    }


def full_repository(view: View, one: Repository, role: Role) -> dict[str, Any]:
    """`full-repository`, with the caller's permissions."""
    counts = {"network_count": 0, "subscribers_count": 0}
    methods = {"squash": "allow_squash_merge", "merge": "allow_merge_commit", "rebase": "allow_rebase_merge"}
    allowed = {name: method in one.seeded.merge_methods for method, name in methods.items()}
    allowed["allow_auto_merge"] = one.seeded.allow_auto_merge
    return {**repository(view, one), **counts, **allowed, "permissions": permissions_of(role)}


def git_ref(view: View, one: Repository, ref: str, sha: str) -> dict[str, Any]:
    """`git-ref`."""
    url = view.repository_url(one.name)
    target = {"type": "commit", "sha": sha, "url": f"{url}/git/commits/{sha}"}
    return {"ref": ref, "node_id": node_id("REF", f"{one.id}:{ref}"), "url": f"{url}/git/{ref}", "object": target}


def commit(view: View, repository: Repository, found: Commit) -> dict[str, Any]:
    """`commit`, as in the webhook of a status."""
    url = view.repository_url(repository.name)
    page, people = f"{view.base}/{repository.name}/commit", {"author": found.author, "committer": found.committer}
    verification = {"verified": False, "reason": "unsigned", **dict.fromkeys(("signature", "payload", "verified_at"))}
    return {
        "sha": found.sha,
        "node_id": node_id("C", found.sha),
        "commit": {
            **{role: {"name": one.name, "email": one.email, "date": one.when} for role, one in people.items()},
            "message": found.message,
            "tree": {"sha": found.tree, "url": f"{url}/git/trees/{found.tree}"},
            "url": f"{url}/git/commits/{found.sha}",
            "comment_count": 0,
            "verification": verification,
        },
        "url": f"{url}/commits/{found.sha}",
        "html_url": f"{page}/{found.sha}",
        "comments_url": f"{url}/commits/{found.sha}/comments",
        **{role: _account(view, one) for role, one in people.items()},
        "parents": [{"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{page}/{sha}"} for sha in found.parents],
    }


def _account(view: View, signature: Signature) -> dict[str, Any] | None:
    """The account with the e-mail address of the commit."""
    seeded = view.hub.seed.users
    return next((user(view, one.login) for one in seeded if one.email and one.email == signature.email), None)
