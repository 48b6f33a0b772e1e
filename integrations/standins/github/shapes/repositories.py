"""Shapes of repositories, refs and commits."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.bare import Commit, Signature
from integrations.standins.github.hub import Repository
from integrations.standins.github.records import Pull
from integrations.standins.github.seed import FIRST_COMMIT, Role
from integrations.standins.github.shapes.people import permissions_of, user
from integrations.standins.github.shapes.view import View, node_id

# The templates of a repository's addresses, as 'name:path'; the key is '<name>_url'.
PARTS = """
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
NULL = ("mirror_url", "homepage", "language", "license")


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
        **{f"{name}_url": url + path for name, path in (part.split(":") for part in PARTS.split())},
        **dict.fromkeys(("git_url", "ssh_url", "clone_url"), f"{page}.git"),
        "svn_url": page,
        "default_branch": one.seeded.default_branch,
        "visibility": "private" if one.private else "public",
        "topics": [],
        **dict.fromkeys(("created_at", "updated_at", "pushed_at"), FIRST_COMMIT),
        **dict.fromkeys(("open_issues", "open_issues_count"), open_pulls),
        **dict.fromkeys(NULL),
        **dict.fromkeys(OFF, False),
        **dict.fromkeys(ZERO, 0),
    }


def full_repository(view: View, one: Repository, role: Role) -> dict[str, Any]:
    """`full-repository`, with the caller's permissions."""
    counts = {"network_count": 0, "subscribers_count": 0}
    return {**repository(view, one), **counts, "permissions": permissions_of(role)}


def git_ref(view: View, one: Repository, ref: str, sha: str) -> dict[str, Any]:
    """`git-ref`."""
    url = view.repository_url(one.name)
    target = {"type": "commit", "sha": sha, "url": f"{url}/git/commits/{sha}"}
    return {"ref": ref, "node_id": node_id("REF", f"{one.id}:{ref}"), "url": f"{url}/git/{ref}", "object": target}


def commit(view: View, one: Repository, found: Commit) -> dict[str, Any]:
    """`commit`, as in the webhook of a status."""
    url = view.repository_url(one.name)
    page = f"{view.base}/{one.name}/commit"
    verification = {"verified": False, "reason": "unsigned", **dict.fromkeys(("signature", "payload", "verified_at"))}
    return {
        "sha": found.sha,
        "node_id": node_id("C", found.sha),
        "commit": {
            "author": _git_user(found.author),
            "committer": _git_user(found.committer),
            "message": found.message,
            "tree": {"sha": found.tree, "url": f"{url}/git/trees/{found.tree}"},
            "url": f"{url}/git/commits/{found.sha}",
            "comment_count": 0,
            "verification": verification,
        },
        "url": f"{url}/commits/{found.sha}",
        "html_url": f"{page}/{found.sha}",
        "comments_url": f"{url}/commits/{found.sha}/comments",
        "author": _account(view, found.author),
        "committer": _account(view, found.committer),
        "parents": [{"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{page}/{sha}"} for sha in found.parents],
    }


def _git_user(signature: Signature) -> dict[str, str]:
    return {"name": signature.name, "email": signature.email, "date": signature.when}


def _account(view: View, signature: Signature) -> dict[str, Any] | None:
    """The account with the e-mail address of the commit."""
    for seeded in view.hub.seed.users:
        if seeded.email and seeded.email == signature.email:
            return user(view, seeded.login)
    return None
